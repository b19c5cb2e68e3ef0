// Starts the console: sign-in, then a shell around the page that the address names (#/endpoints/…).

import { html, nothing, render } from "./vendor/lit-html.js";
import { get } from "./api.js";
import { trouble } from "./area.js";
import { copyButton, say } from "./dialog.js";
import { signedIn, signOut } from "./signin.js";
import { safe, setUtc, zoneIsUtc, zoneName } from "./text.js";
import { alerts } from "./pages/alerts.js";
import { deliveries } from "./pages/deliveries.js";
import { delivery } from "./pages/delivery.js";
import { editor } from "./pages/editor.js";
import { endpoint } from "./pages/endpoint.js";
import { endpoints } from "./pages/endpoints.js";
import { event, events } from "./pages/events.js";
import { keys } from "./pages/keys.js";
import { overview } from "./pages/overview.js";
import { publish } from "./pages/publish.js";
import { sites, thresholds } from "./pages/storage.js";
import { workspace, workspaces } from "./pages/workspaces.js";

const ADMIN = "Point.Admin", READ = "Point.Read", PUBLISH = "Point.Publish", SUBSCRIBE = "Point.Subscribe", PROVISION = "Point.Provisioning";

/** Every page: the pattern of its address, and for whom it is. Those with a `key` are in the menu; `g` and it go there. */
const PAGES = [
  { path: "overview", title: "Overview", page: overview, roles: [READ], key: "o" },
  { path: "endpoints", title: "Endpoints", page: endpoints, roles: [SUBSCRIBE], key: "e" },
  { path: "endpoints/new", title: "New endpoint", page: editor, roles: [SUBSCRIBE] },
  { path: "endpoints/:id", title: "Endpoint", page: endpoint, roles: [SUBSCRIBE] },
  { path: "endpoints/:id/edit", title: "Change endpoint", page: editor, roles: [] },
  { path: "deliveries", title: "Deliveries", page: deliveries, roles: [READ], key: "d" },
  { path: "deliveries/:id", title: "Delivery", page: delivery, roles: [READ] },
  { path: "alerts", title: "Alerts", page: alerts, roles: [READ], key: "a" },
  { path: "events", title: "Events", page: events, roles: [READ], key: "v" },
  { path: "events/:key", title: "Event", page: event, roles: [READ] },
  { path: "publish", title: "Publish", page: publish, roles: [PUBLISH], key: "p" },
  { path: "sites", title: "Sites", page: sites, roles: [READ], key: "s" },
  { path: "thresholds", title: "Thresholds", page: thresholds, roles: [], key: "t" },
  { path: "workspaces", title: "Workspaces", page: workspaces, roles: [PROVISION], key: "w" },
  { path: "workspaces/:id", title: "Request for a workspace", page: workspace, roles: [PROVISION] },
  { path: "keys", title: "Keys", page: keys, roles: [], key: "k" },
];
const root = document.getElementById("app");

let me, person, current, drawing = false;

const holds = (...roles) => me.roles.includes(ADMIN) || roles.some((role) => me.roles.includes(role));
const allowed = () => PAGES.filter((page) => holds(...page.roles));

/** Draws the page soon, however often it is asked. */
function update() {
  if (drawing) return;
  drawing = true;
  queueMicrotask(() => {
    drawing = false;
    render(shell(), root);
  });
}

/** Where the address leads: {page, params, query}; page is undefined where it is of no page for this person. */
export function route(hash, pages) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  const query = new URLSearchParams(search);
  for (const page of pages) {
    const wanted = page.path.split("/");
    const fits = wanted.length === parts.length && wanted.every((part, at) => part.startsWith(":") || part === parts[at]);
    if (!fits) continue;
    const params = Object.fromEntries(wanted.flatMap((part, at) => (part.startsWith(":") ? [[part.slice(1), parts[at]]] : [])));
    return { page, params, query };
  }
  return { page: undefined, params: {}, query };
}

function open() {
  current?.content?.close?.();
  const pages = allowed();
  const asked = location.hash.replace(/^#\/?/, "") ? location.hash : `#/${pages[0].path}`;
  const { page, params, query } = route(asked, pages);
  const context = { me, params, query, update, go, holds, setQuery };
  current = { page, content: page?.page(context), hash: location.hash };
  document.title = `${page?.title ?? "Not found"} · Tenant Hooks`;
  update();
  queueMicrotask(() => {
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    document.querySelector("main h1")?.focus({ preventScroll: true });
  });
  scrollTo(0, 0);
}

function go(path) {
  location.hash = `#/${path}`;
}

/** Keeps what a page is narrowed to in the address, and opens the page anew with it. */
function setQuery(values) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  go(`${current.page.path}${query.size ? `?${query}` : ""}`);
}

function shell() {
  const { page, content } = current;
  return html`
    <a class="skip" href="#main" @click=${skip}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="#/"><svg class="logo" viewBox="0 0 32 32" aria-hidden="true"><path d="M9 8v9a7 7 0 0 0 14 0v-3m0 0-4 4m4-4 4 4"></path></svg>Tenant Hooks</a>
      <span class="tenant">${safe(me.tenant?.displayName ?? me.tenant?.id ?? "")}</span>
      ${holds(READ) || holds(SUBSCRIBE) ? search() : nothing}
      <details class="person"><summary>${safe(person.name)}</summary>${personMenu()}</details>
    </header>
    <nav aria-label="Pages"><ul>${allowed().filter((each) => each.key).map((each) => html`<li>
      <a href="#/${each.path}" aria-current=${isIn(each) ? "page" : nothing}>${each.title}</a></li>`)}</ul></nav>
    <main id="main"><h1 tabindex="-1">${page?.title ?? "Not found"}</h1>
      ${page ? content.view() : html`<p>There is no such page, or your role does not open it. <a href="#/">Go to the first page</a></p>`}
    </main>`;
}

const isIn = (entry) => current.page?.path.split("/")[0] === entry.path;

function search() {
  return html`<form role="search" @submit=${find}>
    <input id="search" name="text" type="search" aria-label="Find an event, a delivery or an endpoint" placeholder="Find by key or id" autocomplete="off" spellcheck="false">
  </form>`;
}

/** A delivery's id and an endpoint's have a shape of their own; all else is an event's key. */
function find(submitted) {
  submitted.preventDefault();
  const text = new FormData(submitted.target).get("text").trim();
  if (!text) return;
  if (/^[0-9a-f]{12}-[a-z2-7]{26}(-[a-z2-7]{26})?$/i.test(text)) go(`deliveries/${text}`);
  else if (/^[a-z2-7]{26}$/i.test(text)) go(holds(SUBSCRIBE) ? `endpoints/${text}` : `deliveries?endpoint=${text}`);
  else if (holds(READ)) go(`events/${encodeURIComponent(text)}`);
  else say("That is no endpoint's id: it has 26 letters and digits.");
  submitted.target.reset();
}

function personMenu() {
  const theme = document.documentElement.dataset.theme ?? "";
  const choose = (name, title) => html`<option value=${name} ?selected=${theme === name}>${title}</option>`;
  return html`<div class="menu">
    <p class="dim">${me.roles.join(", ")}</p>
    <label>Times <select @change=${(changed) => (setUtc(changed.target.value === "utc"), update())}>
      <option value="local" ?selected=${!zoneIsUtc()}>Local</option><option value="utc" ?selected=${zoneIsUtc()}>UTC</option></select></label>
    <p class="dim">${zoneName()}</p>
    <label>Colours <select @change=${(changed) => setTheme(changed.target.value)}>${choose("", "As the system")}${choose("light", "Light")}${choose("dark", "Dark")}</select></label>
    <p class="dim">Version ${me.version}. Press <kbd>?</kbd> for the keys.</p>
    <p><a href="reference">API reference</a></p>
    <button type="button" @click=${signOut}>Sign out</button>
  </div>`;
}

function setTheme(name) {
  localStorage.setItem("theme", name);
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  update();
}

function skip(clicked) {
  clicked.preventDefault();
  document.querySelector("main h1").focus();
}

let leader = 0;

/** Keys of one letter, while nothing is typed into: `/` finds, `g` and a letter go to a page, `?` tells them. */
function pressed(key) {
  const typing = key.target.closest("input, textarea, select, [contenteditable]");
  if (typing || key.ctrlKey || key.metaKey || key.altKey || document.querySelector("dialog[open]")) return;
  const wanted = Date.now() - leader < 1500 && allowed().find((page) => page.key === key.key);
  leader = 0;
  if (wanted) return go(wanted.path);
  if (key.key === "g") leader = Date.now();
  else if (key.key === "/") {
    key.preventDefault();
    document.getElementById("search")?.focus();
  } else if (key.key === "j" || key.key === "k") step(key.key === "j" ? 1 : -1);
  else if (key.key === "?") say(`/ finds. j and k go through a list. g and then: ${allowed().filter((page) => page.key).map((page) => `${page.key} ${page.title}`).join(", ")}.`);
  else current.content?.key?.(key.key);
}

/** Goes from row to row of the first table, by the links that its rows begin with. */
function step(by) {
  const rows = [...document.querySelectorAll("main tbody tr a.row")];
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by))]?.focus();
}

/** What somebody without a role reads: what to ask for, in words to copy. */
function noRole(problem) {
  const words = `Please give me access to Tenant Hooks: infra/scripts/grant-role.sh Point.Read ${person.objectId}`;
  return html`<main class="alone"><h1>You are signed in, but have no role</h1>
    <p>${safe(person.name)}, the sign-in worked. To see something here you need one of the app roles Point.Read (to look),
      Point.Publish (to publish), Point.Subscribe (to register endpoints of your own), Point.Provisioning (to see
      requests for workspaces) or Point.Admin (everything).
      Send this to whoever runs Tenant Hooks:</p>
    <pre tabindex="0">${words}</pre>
    <div class="actions">${copyButton(words, "the request")}<button type="button" @click=${signOut}>Sign out</button></div>
    <p class="dim">A role counts from the next sign-in on. The app said: ${problem.message}</p></main>`;
}

async function start() {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
  const config = JSON.parse(document.querySelector("meta[name=tenant-hooks]").content);
  root.replaceChildren(); // lit-html keeps what was there
  if (config.problem) return render(alone(config.problem), root);
  try {
    person = await signedIn(config);
    me = await get("me");
  } catch (error) {
    return render(error.status === 403 ? noRole(error) : alone(error.message, () => location.reload()), root);
  }
  addEventListener("hashchange", () => location.hash !== current.hash && open());
  addEventListener("keydown", pressed);
  open();
}

const alone = (words, again) => html`<main class="alone"><h1>Tenant Hooks</h1>${trouble(new Error(words), again)}</main>`;

start();
