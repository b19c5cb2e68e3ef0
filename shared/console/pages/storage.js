// SharePoint's storage: the sites nearest their limit, and the thresholds that make events.

import { html, nothing } from "../vendor/lit-html.js";
import { ask, get } from "../api.js";
import { Area, empty, trouble } from "../area.js";
import { share } from "../chart.js";
import { say } from "../dialog.js";
import { link, several, size, time, timeAgo } from "../text.js";
import { options } from "./endpoints.js";

const SEVERITIES = ["low", "medium", "high", "critical"];

export function sites({ update, query, setQuery, holds }) {
  const above = query.get("above") ?? "";
  const list = new Area(update, (signal) => get("storage/sites", { above, top: 500 }, signal));
  const facts = new Area(update, (signal) => get("overview", { hours: 1 }, signal));
  const marks = holds() ? new Area(update, (signal) => get("storage/thresholds", {}, signal)) : undefined;
  const percents = () => (marks?.value?.default ?? []).map((each) => each.threshold).filter((each) => typeof each === "number");

  const view = () => html`<div class="bar"><label>Above (% of the quota) <input type="number" min="0" max="1000" .value=${above} @change=${(changed) => setQuery({ above: changed.target.value })}></label>
      ${holds() ? html`<a class="button" href="#/thresholds">Thresholds</a>` : nothing}</div>
    ${facts.show(({ scan }) => scanned(scan))}
    ${list.show(({ value }) => (value.length ? table(value) : empty(above ? "No site uses so much." : "No scan has found a site near a threshold.")))}`;

  const table = (value) => html`<p class="dim">${several(value.length, "site")}</p><div class="card list wide" tabindex="0" role="region" aria-label="Sites"><table>
    <thead><tr><th scope="col">Site</th><th scope="col" class="number">Used</th><th scope="col">Of its quota</th><th scope="col" class="number">Percent</th><th scope="col">Threshold passed</th><th scope="col">Changed</th></tr></thead>
    <tbody>${value.map((site) => html`<tr><th scope="row" class="long">${link(site.siteUrl)}</th><td class="number">${size(site.currentUsage)}</td>
      <td>${share(site.percent, percents())}<small class="dim nowrap">of ${size(site.quota)}</small></td><td class="number">${site.percent.toFixed(1)} %</td>
      <td>${site.threshold === undefined ? nothing : html`${site.threshold}${typeof site.threshold === "number" ? " %" : ""}`}</td><td>${time(site.changedAt)}</td></tr>`)}</tbody></table></div>`;
  return { view, close: () => [list, facts, marks].forEach((area) => area?.close()) };
}

function scanned(scan) {
  if (scan.namesConcealed) return html`<p class="warning">The tenant's usage reports conceal site names, so no threshold is watched. An admin of Microsoft 365 can show them: Settings, Org settings, Reports.</p>`;
  if (!scan.lastSuccessAt) return html`<p class="warning">No scan has succeeded yet${scan.lastFailureAt ? html`; the last one failed ${timeAgo(scan.lastFailureAt)}` : nothing}.</p>`;
  return html`<p class="dim">Scanned ${timeAgo(scan.lastSuccessAt)}${scan.reportDate ? html`, from Microsoft's report of ${scan.reportDate}` : nothing}.</p>`;
}

export function thresholds({ update }) {
  let body, error, saving = false;
  const stored = new Area(update, async (signal) => {
    const found = await ask("GET", "storage/thresholds", { signal });
    body = structuredClone(found.value);
    return { etag: found.headers.get("ETag") };
  });
  const change = (work) => (event) => {
    work(event);
    update();
  };
  async function save(submitted) {
    submitted.preventDefault();
    [saving, error] = [true, undefined];
    update();
    try {
      const etag = stored.value.etag;
      await ask("PUT", "storage/thresholds", { body, headers: etag ? { "If-Match": etag } : {} });
      say("Saved. The next scan goes by it.");
      await stored.load();
    } catch (problem) {
      error = problem;
    }
    saving = false;
    update();
  }

  const view = () => stored.show(() => html`<form class="card" @submit=${save}>
    ${error ? html`${trouble(error, error.status === 412 ? () => ((error = undefined), stored.load()) : undefined)}` : nothing}
    <h2>For all sites</h2>${rows(body.default, "all sites")}
    <h2>For some sites, instead</h2>
    <p class="dim">The first whose pattern matches a site holds for it, wholly. One without thresholds leaves its sites alone.</p>
    ${body.sites.map((rule, at) => html`<fieldset><legend>Rule ${at + 1}</legend>
      <div class="bar"><label>Pattern of URLs <input required maxlength="400" size="40" spellcheck="false" .value=${rule.site} @input=${(event) => (rule.site = event.target.value)}></label>
        <button type="button" class="small" ?disabled=${at === 0} aria-label="Move rule ${at + 1} up" @click=${change(() => body.sites.splice(at - 1, 0, ...body.sites.splice(at, 1)))}>Up</button>
        <button type="button" class="small" ?disabled=${at === body.sites.length - 1} aria-label="Move rule ${at + 1} down" @click=${change(() => body.sites.splice(at + 1, 0, ...body.sites.splice(at, 1)))}>Down</button>
        <button type="button" class="small danger" aria-label="Remove rule ${at + 1}" @click=${change(() => body.sites.splice(at, 1))}>Remove</button></div>
      ${rows(rule.thresholds, `rule ${at + 1}`)}</fieldset>`)}
    <div class="actions"><button type="button" @click=${change(() => body.sites.push({ site: "", thresholds: [] }))}>Add a rule</button><button class="primary" ?disabled=${saving}>Save</button></div>
  </form>`);

  const rows = (list, of) => html`<div class="rows">${list.map((each, at) => html`<div class="bar">
      <label>Threshold <input required .value=${each.threshold} @change=${(event) => (each.threshold = written(event.target.value))}><span class="hint">90 (percent) or 500GB</span></label>
      <label>Severity <select @change=${(event) => (each.severity = event.target.value)}>${options(SEVERITIES, each.severity)}</select></label>
      <button type="button" class="small danger" aria-label="Remove threshold ${each.threshold} of ${of}" @click=${change(() => list.splice(at, 1))}>Remove</button></div>`)}
    <button type="button" class="small" aria-label="Add a threshold for ${of}" @click=${change(() => list.push({ threshold: "", severity: "high" }))}>Add a threshold</button></div>`;
  return { view, close: () => stored.close() };
}

/** A percentage as a number, a size as it is written. */
export const written = (text) => (/^\s*\d+(\.\d+)?\s*%?\s*$/.test(text) ? Number.parseFloat(text) : text.trim());
