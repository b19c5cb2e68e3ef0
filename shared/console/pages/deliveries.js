// The delivery log of an endpoint, or the newest deliveries of all.

import { html, nothing } from "../vendor/lit-html.js";
import { get } from "../api.js";
import { Area, listing } from "../area.js";
import { clock, safe, state, time, typeName } from "../text.js";
import { options } from "./endpoints.js";

const SPANS = [["1", "the last hour"], ["24", "the last day"], ["168", "the last 7 days"]];
const TAIL_MS = 3000;

export function deliveries({ update, query, setQuery, me }) {
  const names = ["endpoint", "status", "type", "hours", "from", "to", "continuation"];
  const wanted = Object.fromEntries(names.map((name) => [name, query.get(name) ?? ""]));
  const lines = new Area(update, (signal) => get("overview", { hours: 1 }, signal));
  const [spans, span] = wanted.endpoint ? [[["", "ever"], ...SPANS], wanted.hours] : [SPANS, wanted.hours || "24"];
  const from = wanted.from || (span && new Date(Date.now() - span * 3_600_000).toISOString());
  const path = wanted.endpoint ? "webhooks/deliveries" : "webhooks/newest-deliveries";
  const log = new Area(update, (signal) => get(path, { ...wanted, hours: "", from, top: 50 }, signal));
  let tail;

  const narrow = (name) => (changed) => setQuery({ ...wanted, continuation: "", [name]: changed.target.value });
  const follow = () => {
    tail = tail ? clearInterval(tail) : setInterval(() => log.load(), TAIL_MS);
    update();
  };
  const view = () => html`<div class="bar">
      <label>Endpoint <select @change=${narrow("endpoint")}><option value="">newest of all</option>
        ${(lines.value?.endpoints ?? []).map((each) => html`<option value=${each.id} ?selected=${each.id === wanted.endpoint}>${each.name ?? each.host}</option>`)}</select></label>
      <label>Status <select @change=${narrow("status")}>${options(["", "pending", "delivered", "failed", "cancelled"], wanted.status)}</select></label>
      <label>Type <input type="search" .value=${wanted.type} @change=${narrow("type")} placeholder="exactly"></label>
      <label>In <select @change=${narrow("hours")}>${spans.map(([value, title]) => html`<option value=${value} ?selected=${value === span}>${title}</option>`)}</select></label>
      <button type="button" aria-pressed=${Boolean(tail)} @click=${follow}>${tail ? "Stop following" : "Follow"}</button>
      <button type="button" @click=${() => log.load()}>Refresh</button>
    </div>
    ${log.show(listed)}`;

  const rows = (found) => html`<div class="card list">${deliveryTable(found, wanted.endpoint ? undefined : lines.value?.endpoints)}</div>`;
  const listed = ({ value, continuation }) => listing({
    wanted, setQuery, found: value, continuation, rows,
    otherwise: "No delivery was attempted in the last day.",
    more: html`<button type="button" @click=${() => save(value)}>Save as CSV</button><span class="dim">Kept for ${me.retentionDays} days or more</span>`,
  });
  const close = () => {
    clearInterval(tail);
    log.close();
    lines.close();
  };
  return { view, close };
}

/** A table of deliveries; with `endpoints` each line says whose it is. */
export function deliveryTable(value, endpoints) {
  if (!value.length) return html`<p class="dim">None yet.</p>`;
  const names = new Map((endpoints ?? []).map((each) => [each.id, each.name ?? each.host]));
  return html`<div class="wide" tabindex="0" role="region" aria-label="Deliveries"><table>
    <thead><tr><th scope="col">Accepted</th><th scope="col">Status</th>${endpoints ? html`<th scope="col">Endpoint</th>` : nothing}<th scope="col">Type</th><th scope="col">Idempotency key</th><th scope="col" class="number">Attempts</th><th scope="col">Last</th></tr></thead>
    <tbody>${value.map((each) => html`<tr>
      <th scope="row"><a class="row" href="#/deliveries/${each.id}">${time(each.createdAt)}</a></th>
      <td>${state(each.status)}</td>
      ${endpoints ? html`<td class="long">${safe(each.endpointName ?? names.get(each.endpointId) ?? each.endpointId)}</td>` : nothing}
      <td class="type">${typeName(each.type)}</td><td class="long mono">${safe(each.idempotencyKey)}</td>
      <td class="number">${each.attempts.length}</td><td class="long">${safe(lastWords(each))}</td></tr>`)}</tbody></table></div>`;
}

/** How the newest attempt went, in a few words. */
export function lastWords({ attempts, reason }) {
  const last = attempts.at(-1);
  if (!last) return reason ?? "";
  return last.status ? `${last.status} after ${last.durationMs} ms` : (last.error ?? "");
}

/** A cell of a CSV file; what a spreadsheet would take for a formula is kept as text. */
export function cell(value) {
  const text = String(value ?? "");
  return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}

function save(value) {
  const lines = value.map((each) => [each.createdAt, each.status, each.endpointId, each.type, each.idempotencyKey, each.attempts.length, lastWords(each), each.id]);
  const heads = ["accepted", "status", "endpoint", "type", "idempotencyKey", "attempts", "last", "id"];
  const text = [heads, ...lines].map((cells) => cells.map(cell).join(",")).join("\r\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `deliveries ${clock(new Date()).replaceAll(":", ".")}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}
