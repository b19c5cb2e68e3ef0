// How everything stands: figures, what came and went by hour, what needs somebody's hand.

import { html, nothing } from "../vendor/lit-html.js";
import { get } from "../api.js";
import { Area, empty } from "../area.js";
import { bars, share } from "../chart.js";
import { count, duration, safe, several, state, timeAgo } from "../text.js";

const EVERY_MS = 30_000;
const PARTS = [{ name: "delivered", title: "delivered" }, { name: "failedAttempts", title: "failed attempts" }, { name: "exhausted", title: "given up" }];

export function overview({ update, query, setQuery, holds }) {
  const hours = query.get("hours") ?? "24";
  const facts = new Area(update, (signal) => get("overview", { hours }, signal));
  const sites = new Area(update, (signal) => get("storage/sites", { top: 5 }, signal));
  const timer = setInterval(() => document.visibilityState === "visible" && facts.load(), EVERY_MS);

  const view = () => html`
    <div class="bar"><label>Of the last <select @change=${(changed) => setQuery({ hours: changed.target.value })}>
      ${[["6", "6 hours"], ["24", "24 hours"], ["72", "3 days"], ["168", "7 days"]].map(([value, title]) => html`<option value=${value} ?selected=${value === hours}>${title}</option>`)}
    </select></label></div>
    ${facts.show(shown)}
    <section class="card"><h2>Sites nearest their limit</h2>${sites.show(nearest)}</section>`;

  const shown = (found) => html`
    ${(found.warnings ?? []).map((words) => html`<p class="warning">${words}</p>`)}
    ${figures(found)}
    <section class="card">${bars(found.hours, PARTS, "Deliveries by hour")}</section>
    <section class="card"><h2>Endpoints that need a look</h2>${troubled(found.endpoints, holds)}</section>`;

  const close = () => {
    clearInterval(timer);
    facts.close();
    sites.close();
  };
  return { view, close };
}

function figures({ hours, queues, alerts, endpoints }) {
  const sum = (name) => hours.reduce((total, hour) => total + hour[name], 0);
  const tried = sum("delivered") + sum("failedAttempts");
  const waiting = queues.find((queue) => queue.name === "deliveries") ?? { length: 0, oldestSeconds: 0 };
  const rate = tried ? `${((100 * sum("delivered")) / tried).toFixed(1)} %` : "–";
  return html`<dl class="figures">
    <div class="card"><dt>Delivered</dt><dd>${count(sum("delivered"))}<small>of ${several(sum("accepted"), "event")} accepted</small></dd></div>
    <div class="card"><dt>Success rate</dt><dd>${rate}<small>${several(sum("failedAttempts"), "attempt")} failed</small></dd></div>
    <div class="card"><dt>Alerts</dt><dd>${count(alerts.count)}${alerts.more ? "+" : ""}<small>${alerts.count ? html`<a href="#/alerts">See the alert log</a>` : "nothing was given up"}</small></dd></div>
    <div class="card"><dt>Waiting</dt><dd>${count(waiting.length)}<small>${waiting.oldestSeconds ? `the first in line for ${duration(waiting.oldestSeconds)}` : "nothing is late"}</small></dd></div>
    <div class="card"><dt>Endpoints</dt><dd>${count(endpoints.length)}<small>${count(endpoints.filter((each) => each.state === "healthy").length)} healthy</small></dd></div>
  </dl>`;
}

function troubled(endpoints, holds) {
  if (!endpoints.length) {
    const start = holds("Point.Subscribe") ? html`<a class="button primary" href="#/endpoints/new">Register the first endpoint</a>` : nothing;
    return empty("No endpoint is registered yet. An endpoint is where events are sent: a Slack channel, a flow, your own service.", start);
  }
  const found = endpoints.filter((each) => each.state !== "healthy" || each.exhausted);
  if (!found.length) return html`<p class="dim">None: ${several(endpoints.length, "endpoint")} ${endpoints.length === 1 ? "is" : "are"} healthy.</p>`;
  return html`<div class="wide" tabindex="0" role="region" aria-label="Endpoints that need a look"><table>
    <thead><tr><th scope="col">Endpoint</th><th scope="col">State</th><th scope="col">Since</th><th scope="col">Reason</th><th scope="col" class="number">Given up</th></tr></thead>
    <tbody>${found.map((each) => html`<tr>
      <th scope="row"><a class="row" href="#/${holds("Point.Subscribe") ? `endpoints/${each.id}` : `deliveries?endpoint=${each.id}`}">${safe(each.name ?? each.host)}</a>${each.name ? html`<br><small class="dim">${safe(each.host)}</small>` : nothing}</th>
      <td>${state(each.state)}</td><td>${timeAgo(each.firstFailureAt)}</td><td class="long">${safe(each.disabledReason ?? each.lastError ?? "")}</td><td class="number">${count(each.exhausted)}</td></tr>`)}
    </tbody></table></div>`;
}

function nearest({ value }) {
  if (!value.length) return html`<p class="dim">No scan has found a site near a threshold.</p>`;
  return html`<div class="wide" tabindex="0" role="region" aria-label="Sites nearest their limit"><table><tbody>${value.map((site) => html`<tr>
    <th scope="row" class="long">${safe(site.siteUrl)}</th><td>${share(site.percent)}</td><td class="number">${site.percent.toFixed(1)} %</td></tr>`)}</tbody></table></div>
    <p><a href="#/sites">All sites</a></p>`;
}
