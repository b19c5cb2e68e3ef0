// One endpoint: what it is, how it does, a test on the spot, its secret.

import { html, nothing } from "../vendor/lit-html.js";
import { ask, get, post } from "../api.js";
import { Area, trouble } from "../area.js";
import { confirmation, copyButton, say } from "../dialog.js";
import { code, masked, safe, several, state, time, timeAgo } from "../text.js";
import { deliveryTable } from "./deliveries.js";
import { hostOf } from "./endpoints.js";

const SHOWN_MS = 60_000;
const TESTS_KEPT = 10;

export function endpoint(context) {
  const { params, update, go, holds } = context;
  const path = `webhooks/endpoints/${encodeURIComponent(params.id)}`;
  const admin = holds();
  const it = new Area(update, (signal) => get(path, {}, signal));
  const types = admin ? new Area(update, (signal) => get("webhooks/types", {}, signal)) : undefined;
  const log = holds("Point.Read") ? new Area(update, (signal) => get("webhooks/deliveries", { endpoint: params.id, top: 10 }, signal)) : undefined;
  const testing = { busy: false, error: undefined, made: [] };
  const secret = { value: undefined, until: undefined, error: undefined, timer: undefined, url: false };

  async function test(submitted) {
    submitted.preventDefault();
    const type = new FormData(submitted.target).get("type");
    Object.assign(testing, { busy: true, error: undefined });
    update();
    try {
      const attempt = await post(`${path}/test`, type ? { type } : {});
      testing.made = [{ ...attempt, type: type || "the first type it asks for" }, ...testing.made].slice(0, TESTS_KEPT);
      say(attempt.status ? `The receiver answered ${attempt.status}` : attempt.error);
    } catch (error) {
      testing.error = error;
    }
    testing.busy = false;
    update();
  }

  async function change(body, words) {
    await ask("PATCH", path, { body });
    say(words);
    await it.load();
  }

  const enable = (found) => {
    if (found.enabled && found.health.state !== "disabled") {
      const body = html`<p>New events no longer go to it, and each delivery that waits for it ends cancelled when it comes due.</p>`;
      return confirmation({ title: `Disable ${nameOf(found)}?`, body, action: "Disable", danger: true, work: () => change({ enabled: false }, "Disabled") });
    }
    const body = html`<p>Events that match go to it again from now on. What was cancelled meanwhile can be replayed.</p>`;
    return confirmation({ title: `Enable ${nameOf(found)}?`, body, action: "Enable", work: () => change({ enabled: true }, "Enabled") });
  };

  const remove = async (found) => {
    const work = async () => {
      await ask("DELETE", path);
      return true;
    };
    const body = html`<p>Deliveries that wait for it end cancelled. Its secret is gone: registered again, it gets another.</p>`;
    const done = await confirmation({ title: "Delete this endpoint?", body, action: "Delete", danger: true, typed: hostOf(found.endpoint), work });
    if (done) {
      say("Deleted");
      go("endpoints");
    }
  };

  const replay = (found) => replayDialog(found, path);

  function show(value, until) {
    clearTimeout(secret.timer);
    Object.assign(secret, { value, until, error: undefined });
    secret.timer = setTimeout(() => hide(), SHOWN_MS);
    update();
  }

  function hide() {
    clearTimeout(secret.timer);
    Object.assign(secret, { value: undefined, until: undefined });
    update();
  }

  async function reveal() {
    try {
      show((await get(`${path}/secret`)).secret);
    } catch (error) {
      secret.error = error;
      update();
    }
  }

  const rotate = () => {
    const work = async () => {
      const made = await post(`${path}/secret/rotate`);
      show(made.secret, made.previousSecretExpiresAt);
      return true;
    };
    const body = html`<p>The old secret goes on signing beside the new one for 24 hours. Give the new one to the receiver in that time.</p>`;
    return confirmation({ title: "Make a new secret?", body, action: "Make a new secret", work });
  };

  const view = () => it.show((found) => html`
    <div class="bar">
      ${admin ? html`<a class="button primary" href="#/endpoints/${found.id}/edit">Change</a>
        <button type="button" @click=${() => enable(found)}>${found.health.state === "disabled" ? "Enable" : "Disable"}</button>
        <button type="button" ?disabled=${found.health.state === "disabled"} @click=${() => replay(found)}>Replay …</button>` : nothing}
      <button type="button" class="danger" @click=${() => remove(found)}>Delete</button>
    </div>
    <section class="card" aria-label="What it is">${facts(found)}</section>
    ${found.health.state === "healthy" ? nothing : html`<section class="card"><h2>What happens now</h2>${prospects(found)}</section>`}
    <div class="columns">
      ${admin ? html`<section class="card"><h2>Test</h2>${tester()}</section>` : nothing}
      ${admin ? html`<section class="card"><h2>Secret</h2>${keeper()}</section>` : nothing}
    </div>
    ${log ? html`<section class="card"><h2>Newest deliveries</h2>${log.show(({ value }) => deliveryTable(value))}<p><a href="#/deliveries?endpoint=${found.id}">Its delivery log</a></p></section>` : nothing}`);

  const facts = (found) => html`<h2>${safe(nameOf(found))} ${state(found.health.state)}</h2><dl class="facts">
    <div><dt>URL</dt><dd>${safe(secret.url ? found.endpoint : masked(found.endpoint))}
      ${found.endpoint.includes("?") ? html`<button type="button" class="small" aria-pressed=${secret.url} @click=${() => ((secret.url = !secret.url), update())}>${secret.url ? "Hide the query" : "Show the query"}</button>` : nothing}</dd></div>
    <div><dt>Id</dt><dd class="mono">${found.id} ${copyButton(found.id, "the id")}</dd></div>
    <div><dt>Types</dt><dd>${found.types.map((type) => html`<div>${safe(type)}</div>`)}</dd></div>
    <div><dt>Format</dt><dd>${found.format}</dd></div>
    ${filters(found).map(([title, words]) => html`<div><dt>${title}</dt><dd>${safe(words)}</dd></div>`)}
    <div><dt>Registered</dt><dd>${time(found.createdAt)}</dd></div>
    <div><dt>Changed</dt><dd>${time(found.updatedAt)}</dd></div>
  </dl>`;

  const prospects = ({ health, enabled }) => {
    if (!enabled) return html`<p>An admin has disabled it. Nothing is sent to it until it is enabled.</p>`;
    if (health.state === "disabled") return html`<p>It was disabled: ${safe(health.disabledReason)}. When the receiver is well again, enable it and replay what it missed.</p>`;
    return html`<p>It has failed since ${timeAgo(health.firstFailureAt)}: ${safe(health.lastError ?? "")}.</p>
      <p>Each delivery is tried on its schedule. After five deliveries in a row have failed, it is asked once in a while until one succeeds;
      then the rest follows. Nothing needs to be done here but to mend the receiver; <em>Test</em> tells at once whether it is.</p>`;
  };

  const tester = () => html`
    <form class="bar" @submit=${test}>
      <label>Type <select name="type"><option value="">the first it asks for</option>${(types?.value?.value ?? []).map((each) => html`<option>${each.type}</option>`)}</select></label>
      <button class="primary" ?disabled=${testing.busy}>${testing.busy ? "Sending …" : "Send a test event"}</button>
    </form>
    ${testing.error ? trouble(testing.error) : nothing}
    <ol class="line">${testing.made.map((attempt) => html`<li class=${attempt.status >= 200 && attempt.status < 300 ? "done" : "lost"}>${attemptWords(attempt)}</li>`)}</ol>`;

  const keeper = () => html`
    <p class="dim">Receivers check <code>webhook-signature</code> with it. Reading it is noted in the audit log.</p>
    ${secret.error ? trouble(secret.error) : nothing}
    ${secret.value ? html`<pre tabindex="0" role="region" aria-label="The secret">${secret.value}</pre>
      ${secret.until ? html`<p>The old one signs too until ${time(secret.until)}.</p>` : nothing}
      <div class="actions">${copyButton(secret.value, "the secret")}<button type="button" class="small" @click=${hide}>Hide</button><span class="dim">Hidden after a minute</span></div>`
      : html`<div class="actions"><button type="button" @click=${reveal}>Show</button><button type="button" @click=${rotate}>Make a new one …</button></div>`}`;

  const close = () => {
    clearTimeout(secret.timer);
    secret.value = undefined;
    for (const area of [it, types, log]) area?.close();
  };
  const key = (pressed) => pressed === "t" && document.querySelector("form select[name=type]")?.form.requestSubmit();
  return { view, close, key };
}

export const nameOf = (found) => found.name ?? hostOf(found.endpoint);

/** An attempt in words, with the answer. */
export const attemptWords = (attempt) => html`<strong>${attempt.status ? `${attempt.status}` : "no answer"}</strong>
  <span class="dim">after ${attempt.durationMs} ms, ${time(attempt.startedAt)}${attempt.type ? `, ${attempt.type}` : ""}</span>
  ${attempt.error ? html`<div class="long">${safe(attempt.error)}</div>` : nothing}
  ${attempt.response ? code(attempt.response, "The receiver's answer") : nothing}`;

function filters(found) {
  const auth = found.auth && [found.auth.type, ...(found.auth.headerNames ?? []), found.auth.username, found.auth.audience].filter(Boolean).join(", ");
  const all = [
    ["From severity", found.minSeverity], ["Tenants", found.tenants?.join(", ")], ["Sites", found.sites?.join(", ")], ["Authentication", auth],
    ["Retries after", found.retryDelays?.map((delay) => `${delay} s`).join(", ")], ["At most a second", found.maxPerSecond],
    ["In order", found.ordered && "events of one subject one after the other"],
    ["Settings", found.settings && JSON.stringify(found.settings)], ["Key", found.key],
  ];
  return all.filter(([, words]) => words !== undefined && words !== "");
}

/** Sends again what an endpoint's log holds since a time: counted first, then page by page. */
async function replayDialog(found, path) {
  const wanted = { since: new Date(Date.now() - 86_400_000).toISOString(), status: "" };
  const body = html`<p>Sends again what its delivery log holds, as new deliveries of the same idempotency keys.</p>
    <label>Accepted since (UTC) <input required value=${wanted.since} @input=${(event) => (wanted.since = event.target.value)}></label>
    <label>Only what is <select @change=${(event) => (wanted.status = event.target.value)}><option value="">any</option><option>failed</option><option>cancelled</option><option>delivered</option></select></label>`;
  const all = async (more, headers) => {
    let [total, continuation] = [0, undefined];
    do {
      const asked = { since: wanted.since, ...(wanted.status && { status: wanted.status }), ...(continuation && { continuation }), ...more };
      const done = await post(`${path}/replay`, asked, headers);
      [total, continuation] = [total + done.count, done.continuation];
    } while (continuation);
    return { total };
  };
  const counted = await confirmation({ title: `Replay to ${nameOf(found)}`, body, action: "Count them", work: () => all({ dryRun: true }) });
  if (!counted) return;
  const once = { "Idempotency-Key": crypto.randomUUID() }; // pressed twice, or repeated after a failure, it sends nothing twice
  const work = async () => {
    const { total } = await all({}, once);
    say(`${several(total, "delivery", "deliveries")} on the way again`);
    return true;
  };
  const words = html`<p><strong>${several(counted.total, "delivery", "deliveries")}</strong> would be sent again.</p>`;
  await confirmation({ title: `Replay to ${nameOf(found)}`, body: words, action: "Send again", work });
}
