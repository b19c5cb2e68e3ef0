// One delivery: what happened attempt by attempt, what comes next, the request as it was sent.

import { html, nothing } from "../vendor/lit-html.js";
import { get, post } from "../api.js";
import { Area, trouble } from "../area.js";
import { copyButton, say } from "../dialog.js";
import { code, duration, safe, several, state, time, timeAgo } from "../text.js";
import { attemptWords } from "./endpoint.js";

export function delivery({ params, update, holds, me }) {
  const path = `webhooks/deliveries/${encodeURIComponent(params.id)}`;
  const it = new Area(update, (signal) => get(path, {}, signal));
  let request, refused;

  async function retry() {
    refused = undefined;
    try {
      await post(`${path}/retry`);
      say("On its way again");
      await it.load();
    } catch (error) {
      refused = error;
      update();
    }
  }

  const ask = () => {
    request = new Area(update, (signal) => get(`${path}/request`, {}, signal));
  };

  const view = () => it.show((found) => found.message === undefined ? shown(found) : unreadable(found));

  const shown = (found) => html`
    <div class="bar">
      ${holds() && ["failed", "cancelled", "pending"].includes(found.status) ? html`<button type="button" class="primary" @click=${retry}>Retry</button>` : nothing}
      <button type="button" @click=${() => it.load()}>Refresh</button>
      <a class="button" href="#/events/${encodeURIComponent(found.idempotencyKey)}">Its event</a>
      <a class="button" href="#/${holds("Point.Subscribe") ? `endpoints/${found.endpointId}` : `deliveries?endpoint=${found.endpointId}`}">Its endpoint</a>
    </div>
    ${refused ? trouble(refused) : nothing}
    <section class="card"><h2>${state(found.status)}</h2><dl class="facts">
      <div><dt>Type</dt><dd>${safe(found.type)}</dd></div>
      <div><dt>Idempotency key</dt><dd class="mono">${safe(found.idempotencyKey)} ${copyButton(found.idempotencyKey, "the key")}</dd></div>
      <div><dt>Accepted</dt><dd>${timeAgo(found.createdAt)}</dd></div>
      ${found.reason ? html`<div><dt>Reason</dt><dd>${safe(found.reason)}</dd></div>` : nothing}
      <div><dt>Delivery</dt><dd class="mono">${found.id} ${copyButton(found.id, "the id")}</dd></div></dl></section>
    <section class="card"><h2>Attempts</h2>${attempts(found)}</section>
    <section class="card"><h2>Request</h2>${request ? request.show(sent) : html`<button type="button" @click=${ask}>Show what is sent</button>`}</section>`;

  const attempts = (found) => html`<ol class="line">
      ${found.attempts.map((attempt) => html`<li class=${attempt.status >= 200 && attempt.status < 300 ? "done" : "lost"}>${attempt.number}. ${attemptWords(attempt)}</li>`)}
      ${found.status === "pending" ? html`<li><strong>Next attempt</strong> ${found.nextAttemptAt ? timeAgo(found.nextAttemptAt) : "soon"}
        ${Date.parse(found.nextAttemptAt) < Date.now() - 5000 ? html`<div class="dim">It is past because the endpoint is given a rest: it follows as soon as the endpoint takes deliveries again.</div>` : nothing}</li>` : nothing}
    </ol>
    ${found.attempts.length ? nothing : html`<p class="dim">No attempt was made${found.reason ? "" : " yet"}.</p>`}
    <p class="dim">Unless the endpoint says otherwise, a delivery has ${several(me.schedule.length + 1, "attempt")}, with ${me.schedule.map(duration).join(", ")} between them.</p>`;

  const sent = (made) => html`
    ${made.changedSince ? html`<p class="warning">The endpoint was changed at ${time(made.changedSince)}, after the first attempt: the body may have been another.</p>` : nothing}
    <p><strong>${made.method}</strong> ${made.url ? safe(made.url) : html`<span class="dim">the URL is shown to Point.Admin</span>`}</p>
    <dl class="facts">${Object.entries(made.headers).map(([name, value]) => html`<div><dt>${name}</dt><dd class="mono">${safe(value)}</dd></div>`)}</dl>
    ${made.body === undefined ? html`<p class="dim">The body of this format is shown to Point.Admin: settings of the endpoint are part of it.</p>` : html`
      ${code(made.body, "Body")}
      <div class="actions">${copyButton(made.body, "the body")}${made.url ? copyButton(curl(made), "as curl") : nothing}<span class="dim">${several(made.bytes, "byte")}; signatures are not kept</span></div>`}`;

  const close = () => (it.close(), request?.close());
  return { view, close, key: (pressed) => pressed === "r" && holds() && it.value && retry() };
}

const unreadable = (line) => html`<p class="warning">This is no delivery, but a message on the queue that could not be read. It was kept word for word.</p>
  <section class="card"><dl class="facts"><div><dt>Came</dt><dd>${timeAgo(line.createdAt)}</dd></div><div><dt>Reason</dt><dd>${safe(line.reason)}</dd></div></dl>
  ${code(line.message, "The message")}</section>`;

/** The request as a command; what is not kept (signatures, secrets) is left out. */
export function curl({ url, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const kept = Object.entries(headers).filter(([, value]) => !value.includes("…"));
  return ["curl -X POST", quoted(url), ...kept.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`), `--data-raw ${quoted(body)}`].join(" \\\n  ");
}
