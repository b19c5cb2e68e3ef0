// The newest events, and one event by its idempotency key: what it says, where it went, why not elsewhere.

import { html, nothing } from "../vendor/lit-html.js";
import { ask, get, post } from "../api.js";
import { Area, listing, trouble } from "../area.js";
import { confirmation, copyButton, say } from "../dialog.js";
import { code, count, safe, several, state, time, timeAgo, typeName } from "../text.js";

export function events({ update, query, setQuery, go }) {
  const wanted = { type: query.get("type") ?? "", continuation: query.get("continuation") ?? "" };
  const newest = new Area(update, (signal) => get("events", { ...wanted, top: 100 }, signal));
  const find = (submitted) => {
    submitted.preventDefault();
    const key = new FormData(submitted.target).get("key").trim();
    if (key) go(`events/${encodeURIComponent(key)}`);
  };
  const view = () => html`
    <form class="bar" @submit=${find}><label>Idempotency key <input name="key" required spellcheck="false"></label><button>Look it up</button></form>
    <div class="bar"><label>Type <input type="search" .value=${wanted.type} @change=${(changed) => setQuery({ type: changed.target.value })} placeholder="exactly"></label><button type="button" @click=${() => newest.load()}>Refresh</button></div>
    ${newest.show(({ value, continuation }) => listing({ wanted, setQuery, found: value, continuation, rows: table, otherwise: "No event was accepted in the last day." }))}
    <p class="dim">Of the last day, up to some seconds old. An event that is not listed is found by its key.</p>`;
  return { view, close: () => newest.close() };
}

const table = (value) => html`<div class="card list wide" tabindex="0" role="region" aria-label="Newest events"><table>
  <thead><tr><th scope="col">Accepted</th><th scope="col">Type</th><th scope="col">Severity</th><th scope="col">Idempotency key</th><th scope="col" class="number">Deliveries</th></tr></thead>
  <tbody>${value.map((each) => html`<tr><th scope="row"><a class="row" href="#/events/${encodeURIComponent(each.idempotencyKey)}">${timeAgo(each.acceptedAt)}</a></th>
    <td class="type">${typeName(each.type)}</td><td>${state(each.severity)}</td><td class="long mono">${safe(each.idempotencyKey)}</td><td class="number">${count(each.deliveries)}</td></tr>`)}</tbody></table></div>`;

export function event({ params, update, holds, go }) {
  const path = `events/${encodeURIComponent(params.key)}`;
  const it = new Area(update, (signal) => get(path, {}, signal));
  const explained = explaining(update);
  const erase = async (found) => {
    const body = html`<p>Its content goes from the log, with what receivers answered. What was delivered cannot be called back; what is on its way ends cancelled.</p>`;
    const work = async () => {
      await ask("DELETE", path);
      return true;
    };
    const done = await confirmation({ title: "Erase what this event said?", body, action: "Erase", danger: true, typed: found.meta.idempotencyKey, work });
    if (done) {
      say("Erased");
      await it.load();
    }
  };
  const view = () => it.show((found) => html`
    ${holds() && !found.erased ? html`<div class="bar"><button type="button" @click=${() => explained.ask(asPublished(found))}>Explain who gets it</button><button type="button" class="danger" @click=${() => erase(found)}>Erase …</button></div>` : nothing}
    <section class="card"><dl class="facts">
      <div><dt>Type</dt><dd>${safe(found.type)}</dd></div><div><dt>Severity</dt><dd>${state(found.severity)}</dd></div>
      <div><dt>Time</dt><dd>${time(found.meta.timeStamp)}</dd></div>
      <div><dt>Idempotency key</dt><dd class="mono">${safe(found.meta.idempotencyKey)} ${copyButton(found.meta.idempotencyKey, "the key")}</dd></div>
      ${found.tenant ? html`<div><dt>Tenant</dt><dd>${safe(found.tenant.displayName ?? found.tenant.id)}</dd></div>` : nothing}</dl>
      ${found.erased ? html`<p class="warning">What it said was erased.</p>` : code(found.content, "Content")}</section>
    ${explained.view()}
    <section class="card"><h2>${several(found.deliveries.length, "delivery", "deliveries")}</h2>
      ${found.deliveries.length ? html`<ul>${found.deliveries.map((each) => html`<li>${state(each.status)} <a class="row" href="#/deliveries/${each.id}">to ${safe(each.endpointId)}</a></li>`)}</ul>` : html`<p class="dim">No endpoint matched when it was accepted.</p>`}
    </section>`);
  return { view, close: () => it.close() };
}

const asPublished = ({ type, content, meta, severity, tenant }) => ({ type, content, meta, severity, ...(tenant && { tenant }) });

const REASONS = { types: "it does not ask for this type", minSeverity: "it asks for a higher severity", tenants: "it asks for other tenants", sites: "it asks for other sites", disabled: "it is disabled" };

/** Which endpoints an event would go to, and what stands against the others. */
export function explaining(update) {
  let found, error;
  const explain = async (body) => {
    [found, error] = [undefined, undefined];
    try {
      found = (await post("events/match", body)).value;
    } catch (problem) {
      error = problem;
    }
    update();
  };
  const view = () => {
    if (error) return trouble(error);
    if (!found) return nothing;
    const sorted = [...found].sort((a, b) => b.matches - a.matches);
    return html`<section class="card"><h2>It would go to ${count(found.filter((each) => each.matches).length)} of ${several(found.length, "endpoint")}</h2>
      <ul>${sorted.map((each) => html`<li>${each.matches ? html`<strong>✓ ${named(each)}</strong>` : html`– ${named(each)}: ${each.because.map((reason) => REASONS[reason]).join(", ")}`}</li>`)}</ul></section>`;
  };
  return { ask: explain, view };
}

const named = (each) => html`<a href="#/endpoints/${each.endpointId}">${safe(each.name ?? each.host)}</a>`;
