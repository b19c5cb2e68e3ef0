// Requests for workspaces: all of them, one with its steps, and the templates that they are made after (to read).

import { html, nothing } from "../vendor/lit-html.js";
import { get } from "../api.js";
import { Area, empty, listing } from "../area.js";
import { copyButton } from "../dialog.js";
import { code, link, safe, several, state, time, timeAgo } from "../text.js";
import { options } from "./endpoints.js";

const STATUSES = ["accepted", "running", "completed", "failed"];
const NOUNS = { teams: "team", groups: "Microsoft 365 group", sites: "SharePoint site", yammer: "Viva Engage community" };
const EVERY_MS = 5000;

/** The steps of each kind, in order, by the names that the API has for them. */
export const STEPS = {
  groups: ["start", "users", "check", "create", "ready", "members", "complete"],
  teams: ["start", "users", "check", "create", "team", "ready", "members", "complete"],
  sites: ["start", "users", "check", "create", "ready", "members", "complete"],
  yammer: ["start", "users", "check", "create", "operation", "ready", "members", "complete"],
};
const STEP_WORDS = {
  start: "Publish ProvisioningStarted", users: "Look the users up", check: "See that the name is free", create: "Create it",
  team: "Make a team of the group", operation: "Wait until Viva Engage has made it", ready: "Wait until it is there",
  members: "Add the other owners and members", complete: "Publish ProvisioningCompleted", fail: "Publish ProvisioningFailed",
};

export function workspaces({ update, query, setQuery, go }) {
  const wanted = { status: query.get("status") ?? "", continuation: query.get("continuation") ?? "" };
  const list = new Area(update, (signal) => get("provision/requests", { ...wanted, top: 50 }, signal));
  const templates = new Area(update, (signal) => get("provision/templates", {}, signal));
  const find = (submitted) => {
    submitted.preventDefault();
    go(`workspaces/${encodeURIComponent(new FormData(submitted.target).get("id").trim())}`);
  };

  const view = () => html`
    <form class="bar" @submit=${find}><label>Request <input name="id" required spellcheck="false" size="38" placeholder="its id"></label><button>Look it up</button></form>
    <div class="bar"><label>Status <select @change=${(changed) => setQuery({ status: changed.target.value })}>${options(["", ...STATUSES], wanted.status)}</select></label>
      <button type="button" @click=${() => list.load()}>Refresh</button></div>
    ${list.show(listed)}
    <h2>Templates</h2>${templates.show(({ value }) => (value.length ? templateTable(value) : empty("There is no template yet. An admin makes one with PUT /v1.0/provision/templates/{id}.")))}`;

  const listed = ({ value, continuation }) =>
    listing({ wanted, setQuery, found: value, continuation, rows: requestTable, otherwise: "No workspace was asked for. A service desk asks for one by the API." });
  return { view, close: () => (list.close(), templates.close()) };
}

const requestTable = (value) => html`<div class="card list wide" tabindex="0" role="region" aria-label="Requests for workspaces"><table>
  <thead><tr><th scope="col">Asked</th><th scope="col">Status</th><th scope="col">Name</th><th scope="col">Kind</th><th scope="col">Result, or step</th></tr></thead>
  <tbody>${value.map((each) => html`<tr>
    <th scope="row"><a class="row" href="#/workspaces/${each.requestId}">${timeAgo(each.createdAt)}</a></th>
    <td>${state(each.status)}</td><td class="long">${safe(each.name)}</td><td>${NOUNS[each.kind]}</td><td class="long">${result(each)}</td></tr>`)}</tbody></table></div>`;

function result(each) {
  if (each.error) return safe(each.error.message);
  if (each.status === "completed") return html`${each.url ? link(each.url) : nothing}${each.warnings ? html`<br><small class="dim">${several(each.warnings.length, "warning")}</small>` : nothing}`;
  return html`${STEP_WORDS[each.step] ?? each.step}${each.waitingFor ? html`<br><small class="dim">${safe(each.waitingFor)}</small>` : nothing}`;
}

const templateTable = (value) => html`<div class="card list wide" tabindex="0" role="region" aria-label="Templates"><table>
  <thead><tr><th scope="col">Id</th><th scope="col">Name</th><th scope="col">Kind</th><th scope="col">Names become</th><th scope="col">Privacy</th><th scope="col">Adds</th></tr></thead>
  <tbody>${value.map((each) => html`<tr><th scope="row" class="mono">${safe(each.id)}</th><td class="long">${safe(each.name)}${each.approval === "manual" ? html`<br><small class="dim">with an approval: the API does not use it</small>` : nothing}</td>
    <td>${NOUNS[each.kind]}</td><td class="long">${safe(`${each.prefix}…${each.suffix}`)}</td>
    <td>${each.privacy === "requester" ? "as the request says" : each.privacy}</td><td class="long">${added(each)}</td></tr>`)}</tbody></table></div>`;

const added = ({ owners, members }) => html`${owners.length ? html`<div>owners: ${safe(owners.join(", "))}</div>` : nothing}${members.length ? html`<div>members: ${safe(members.join(", "))}</div>` : nothing}`;

export function workspace({ params, update, holds }) {
  const it = new Area(update, (signal) => get(`provision/requests/${encodeURIComponent(params.id)}`, {}, signal));
  const timer = setInterval(() => document.visibilityState === "visible" && underWay(it.value) && it.load(), EVERY_MS);
  const view = () => it.show((found) => html`
    <div class="bar"><button type="button" @click=${() => it.load()}>Refresh</button>
      ${holds("Point.Read") ? html`<a class="button" href="#/events/${encodeURIComponent(`provisioning:${found.requestId}:started`)}">Its first event</a>` : nothing}</div>
    ${found.error ? html`<p class="trouble">${safe(found.error.message)}</p>` : nothing}
    ${(found.warnings ?? []).map((words) => html`<p class="warning">${safe(words)}</p>`)}
    <section class="card">${facts(found)}</section>
    <section class="card"><h2>Steps</h2>${steps(found)}</section>
    ${found.metadata ? html`<section class="card"><h2>Metadata</h2>${code(found.metadata, "Metadata")}</section>` : nothing}`);
  const close = () => {
    clearInterval(timer);
    it.close();
  };
  return { view, close };
}

const underWay = (found) => found?.status === "accepted" || found?.status === "running";

const facts = (found) => html`<h2>${safe(found.name)} ${state(found.status)}</h2><dl class="facts">
  <div><dt>Kind</dt><dd>${NOUNS[found.kind]}</dd></div>
  <div><dt>Template</dt><dd class="mono">${safe(found.templateId)}</dd></div>
  <div><dt>Asked</dt><dd>${timeAgo(found.createdAt)}</dd></div>
  <div><dt>Changed</dt><dd>${timeAgo(found.updatedAt)}</dd></div>
  <div><dt>Asked by</dt><dd class="mono">${safe(found.requesterId)}</dd></div>
  <div><dt>Request</dt><dd class="mono">${found.requestId} ${copyButton(found.requestId, "the id")}</dd></div>
  ${found.url ? html`<div><dt>Address</dt><dd>${link(found.url)}</dd></div>` : nothing}
  ${found.microsoftId ? html`<div><dt>Microsoft's id</dt><dd class="mono">${safe(found.microsoftId)}</dd></div>` : nothing}
  ${found.comment ? html`<div><dt>Comment</dt><dd>${safe(found.comment)}</dd></div>` : nothing}</dl>`;

/** Where a request is on its way: what is done, what is being done, and what is to come. Of one that failed the API
 * keeps the error, and not the step. */
function steps(found) {
  if (found.status === "failed") return html`<p class="dim">It is over. What was asked of Microsoft 365 until then is in the error.</p>`;
  const all = STEPS[found.kind];
  const at = found.status === "completed" ? all.length : all.indexOf(found.step);
  if (at < 0) return html`<p>${STEP_WORDS[found.step] ?? safe(found.step)}</p>`;
  return html`<ol class="line">${all.map((step, number) => html`<li class=${number < at ? "done" : "next"} aria-current=${number === at ? "step" : nothing}>
    ${number === at ? html`<strong>${STEP_WORDS[step]}</strong>${waiting(found)}` : html`<span class=${number < at ? "" : "dim"}>${STEP_WORDS[step]}</span>`}
    ${number < at ? html`<span class="dim">done</span>` : nothing}</li>`)}</ol>`;
}

const waiting = ({ nextAt, tries, waitingFor }) => html`
  ${nextAt ? html` <span class="dim">goes on ${time(nextAt)}</span>` : nothing}
  ${tries ? html`<div class="dim">${several(tries, "try", "tries")} so far came to nothing</div>` : nothing}
  ${waitingFor ? html`<div class="long">${safe(waitingFor)}</div>` : nothing}`;
