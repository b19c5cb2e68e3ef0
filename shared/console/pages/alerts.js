// The alert log: what was given up. One line, those that are marked, or all that match are sent again or acknowledged.

import { html, nothing } from "../vendor/lit-html.js";
import { ask, get, post } from "../api.js";
import { Area, listing } from "../area.js";
import { confirmation, say } from "../dialog.js";
import { count, safe, several, timeAgo, typeName } from "../text.js";
import { lastWords } from "./deliveries.js";

export function alerts({ update, query, setQuery, holds }) {
  const wanted = Object.fromEntries(["endpoint", "type", "from", "continuation"].map((name) => [name, query.get(name) ?? ""]));
  const log = new Area(update, (signal) => get("webhooks/deliveries", { ...wanted, endpoint: "", status: "failed", top: 100 }, signal));
  const facts = new Area(update, (signal) => get("overview", { hours: 1 }, signal));
  const marked = new Set();
  const admin = holds();

  const lines = () => (log.value?.value ?? []).filter((line) => !wanted.endpoint || line.endpointId === wanted.endpoint);
  const names = () => new Map((facts.value?.endpoints ?? []).map((each) => [each.id, each.name ?? each.host]));
  const narrow = (name) => (changed) => setQuery({ ...wanted, continuation: "", [name]: changed.target.value });
  const mark = (id, on) => {
    if (on) marked.add(id);
    else marked.delete(id);
    update();
  };

  /** Does something for each marked line, one after the other; says for how many it could not be done, and why. */
  async function each(work, done) {
    const refused = [];
    let number = 0;
    for (const id of [...marked]) {
      try {
        await work(`webhooks/deliveries/${id}`);
        number += 1;
        marked.delete(id);
      } catch (error) {
        refused.push(error.message);
      }
    }
    say(`${number} ${done}${refused.length ? `; ${refused.length} not: ${refused[0]}` : ""}`);
    await log.load();
  }
  const retryMarked = () => each((path) => post(`${path}/retry`), "on the way again");
  const acknowledgeMarked = () => each((path) => ask("PATCH", path, { body: { acknowledged: true } }), "acknowledged");

  const filter = () => Object.fromEntries(Object.entries({ endpoint: wanted.endpoint, type: wanted.type, from: wanted.from }).filter(([, value]) => value));

  /** Counts first, asks, and then goes page by page; closing the dialog stops after the page under way. */
  async function all(path, title, action, done) {
    const counted = await walk(path, { ...filter(), dryRun: true });
    const body = html`<p><strong>${count(counted.count)}</strong> of the lines that match.</p>
      ${counted.skipped.length ? html`<p>Not for others:</p><ul>${counted.skipped.map((each) => html`<li>${count(each.count)}: ${each.reason}</li>`)}</ul>` : nothing}`;
    const work = async () => {
      const made = await walk(path, filter());
      say(`${count(made.count)} ${done}`);
      return true;
    };
    await confirmation({ title, body, action, work });
    await Promise.all([log.load(), facts.load()]);
  }
  const guarded = (work) => async () => {
    try {
      await work();
    } catch (error) {
      say(error.message);
    }
  };
  const retryAll = guarded(() => all("webhooks/deliveries/retry", "Send again all that match?", "Send again", "on the way again"));
  const acknowledgeAll = guarded(() => all("webhooks/deliveries/acknowledge", "Acknowledge all that match?", "Acknowledge", "acknowledged"));

  const view = () => html`<div class="bar">
      <label>Endpoint <select @change=${narrow("endpoint")}><option value="">all</option>${[...names()].map(([id, name]) => html`<option value=${id} ?selected=${id === wanted.endpoint}>${name}</option>`)}</select></label>
      <label>Type <input type="search" .value=${wanted.type} @change=${narrow("type")} placeholder="exactly"></label>
      <button type="button" @click=${() => log.load()}>Refresh</button>
      ${admin ? html`<button type="button" @click=${retryAll}>Retry all …</button><button type="button" @click=${acknowledgeAll}>Acknowledge all …</button>` : nothing}
    </div>
    ${log.show(listed)}`;

  const listed = ({ continuation }) => {
    const found = lines();
    const rows = () => html`
      ${marked.size ? html`<div class="bar"><span>${several(marked.size, "line")} marked</span><button type="button" class="primary" @click=${retryMarked}>Retry</button><button type="button" @click=${acknowledgeMarked}>Acknowledge</button><button type="button" @click=${() => (marked.clear(), update())}>Unmark</button></div>` : nothing}
      <div class="card list wide" tabindex="0" role="region" aria-label="Alerts"><table>
        <thead><tr>${admin ? html`<th scope="col"><input type="checkbox" aria-label="Mark all on this page" .checked=${found.every((line) => marked.has(line.id))} @change=${(changed) => (found.forEach((line) => (changed.target.checked ? marked.add(line.id) : marked.delete(line.id))), update())}></th>` : nothing}
          <th scope="col">Accepted</th><th scope="col">Endpoint</th><th scope="col">Type</th><th scope="col">Reason</th><th scope="col">Last answer</th></tr></thead>
        <tbody>${found.map(row)}</tbody></table></div>`;
    return listing({ wanted, setQuery, found, continuation, rows, otherwise: "Nothing was given up. A delivery whose last attempt failed would be here." });
  };

  const row = (line) => html`<tr>
    ${admin ? html`<td><input type="checkbox" aria-label="Mark the line of ${line.createdAt}" .checked=${marked.has(line.id)} @change=${(changed) => mark(line.id, changed.target.checked)}></td>` : nothing}
    <th scope="row"><a class="row" href="#/deliveries/${line.id}">${timeAgo(line.createdAt)}</a></th>
    <td class="long">${line.endpointId ? safe(line.endpointName ?? names().get(line.endpointId) ?? line.endpointId) : html`<span class="dim">a message that could not be read</span>`}</td>
    <td class="type">${typeName(line.type ?? "")}</td><td class="long">${safe(line.reason ?? "")}</td><td class="long">${safe(lastWords(line))}</td></tr>`;

  return { view, close: () => (log.close(), facts.close()) };
}

/** All calls that it takes to go through the alert log, added up. */
async function walk(path, body) {
  const total = { count: 0, skipped: [] };
  let continuation;
  do {
    const done = await post(path, { ...body, ...(continuation && { continuation }) });
    total.count += done.count;
    for (const each of done.skipped) {
      const known = total.skipped.find((other) => other.reason === each.reason);
      if (known) known.count += each.count;
      else total.skipped.push({ ...each });
    }
    continuation = done.continuation;
  } while (continuation);
  return total;
}
