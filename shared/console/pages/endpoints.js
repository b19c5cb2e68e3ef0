// The list of endpoints, narrowed by state, format and text.

import { html, nothing } from "../vendor/lit-html.js";
import { get } from "../api.js";
import { Area, empty } from "../area.js";
import { masked, safe, several, state, timeAgo, typeName } from "../text.js";

const STEP = 200;

export function endpoints({ update, query, setQuery, go }) {
  const all = new Area(update, (signal) => get("webhooks/endpoints", {}, signal));
  const wanted = { state: query.get("state") ?? "", format: query.get("format") ?? "", text: query.get("text") ?? "" };
  let shown = STEP;

  const narrow = (name) => (changed) => setQuery({ ...wanted, [name]: changed.target.value });
  const view = () => html`<div class="bar">
      <label>State <select @change=${narrow("state")}>${options(["", "healthy", "failing", "disabled"], wanted.state)}</select></label>
      <label>Format <select @change=${narrow("format")}>${options(["", ...formatsOf(all.value ?? [])], wanted.format)}</select></label>
      <label>Text <input type="search" .value=${wanted.text} @change=${narrow("text")} placeholder="name, host or type"></label>
      <a class="button primary" href="#/endpoints/new">New endpoint</a>
    </div>
    ${all.show(listed)}`;

  const listed = (found) => {
    const list = found.filter((each) => fits(each, wanted));
    if (!found.length) return empty("No endpoint is registered yet.", html`<a class="button primary" href="#/endpoints/new">Register the first one</a>`);
    if (!list.length) return empty("No endpoint matches.", html`<button type="button" @click=${() => setQuery({})}>Clear filters</button>`);
    return html`<p class="dim">${several(list.length, "endpoint")}</p>
      <div class="card list wide" tabindex="0" role="region" aria-label="Endpoints"><table>
        <thead><tr><th scope="col">Endpoint</th><th scope="col">State</th><th scope="col">Types</th><th scope="col">Format</th><th scope="col">Failing since</th></tr></thead>
        <tbody>${list.slice(0, shown).map(row)}</tbody></table></div>
      ${list.length > shown ? html`<button type="button" @click=${() => ((shown += STEP), update())}>Show ${STEP} more</button>` : nothing}`;
  };
  return { view, close: () => all.close(), key: (pressed) => pressed === "n" && go("endpoints/new") };
}

const row = (each) => html`<tr>
  <th scope="row" class="long"><a class="row" href="#/endpoints/${each.id}">${safe(each.name ?? hostOf(each.endpoint))}</a><br><small class="dim">${safe(masked(each.endpoint))}</small></th>
  <td>${state(each.health.state)}</td>
  <td class="type">${each.types.map((type) => html`<div>${typeName(type)}</div>`)}</td>
  <td class="nowrap">${each.format}</td>
  <td>${timeAgo(each.health.firstFailureAt)}${each.health.lastError ? html`<br><small class="dim long">${safe(each.health.lastError)}</small>` : nothing}</td></tr>`;

export const options = (values, chosen, any = "any") => values.map((value) => html`<option value=${value} ?selected=${value === chosen}>${value || any}</option>`);

export function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}

const formatsOf = (found) => [...new Set(found.map((each) => each.format))].sort();

/** Whether an endpoint is among those that are asked for. */
export function fits(endpoint, { state, format, text }) {
  const words = [endpoint.name ?? "", endpoint.endpoint, ...endpoint.types].join("\n").toLowerCase();
  return (!state || endpoint.health.state === state) && (!format || endpoint.format === format) && words.includes(text.toLowerCase());
}
