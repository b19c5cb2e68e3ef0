// The API reference: draws /openapi.json, for anybody, signed in or not. The address names what is open: a group of
// operations (#Endpoints) or one of them (#endpointRegister).

import { html, nothing, render } from "../vendor/lit-html.js";
import { Area } from "../area.js";
import { copyButton } from "../dialog.js";
import { SHELLS, settingUp } from "./commands.js";
import { found, operationsOf } from "./description.js";
import { operation, prose } from "./operation.js";

const root = document.getElementById("app");
const config = JSON.parse(document.querySelector("meta[name=tenant-hooks]").content);
const described = new URL("../openapi.json", document.baseURI);
const open = new Set();
let shell = localStorage.getItem("shell") ?? "bash";
let [text, role, drawing, arrived] = ["", "", false, false];

const source = new Area(update, read);

async function read(signal) {
  const answer = await fetch(described, { signal }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Error("The app cannot be reached. Is this machine online?");
  });
  if (!answer.ok) throw new Error(`The app answered ${answer.status} for its description.`);
  const api = await answer.json();
  return { api, operations: operationsOf(api) };
}

function update() {
  if (drawing) return;
  drawing = true;
  queueMicrotask(() => {
    drawing = false;
    render(view(), root);
    if (source.value && !arrived) arrive();
  });
}

const asked = () => location.hash.slice(1);

/** The group that the address names, or that of its operation; undefined on the first page. */
function group() {
  const { api, operations } = source.value;
  const name = operations.find((each) => each.id === asked())?.tag ?? asked();
  return api.tags.find((tag) => tag.name === name);
}

/** Opens the operation that the address names, and goes there; else to the top of the group. */
function arrive() {
  if (!source.value) return;
  [arrived, text] = [true, ""];
  const one = source.value.operations.find((each) => each.id === asked());
  if (one) open.add(one.id);
  if (one && !found([one], "", role).length) role = "";
  update();
  queueMicrotask(() => {
    const place = document.querySelector(one ? `#${one.id} > summary` : "main > h1");
    place.focus({ preventScroll: true });
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (one) place.scrollIntoView();
    else scrollTo(0, 0);
  });
}

const narrow = (change) => (event) => {
  change(event.target.value);
  update();
};

const chooseShell = narrow((value) => {
  shell = value;
  localStorage.setItem("shell", value);
});

function view() {
  const tags = source.value?.api.tags ?? [];
  const here = source.value && group()?.name;
  return html`<header class="top">
      <a class="brand" href="./"><svg class="logo" viewBox="0 0 32 32" aria-hidden="true"><path d="M9 8v9a7 7 0 0 0 14 0v-3m0 0-4 4m4-4 4 4"></path></svg>Tenant Hooks</a>
      <span class="tenant">API ${source.value?.api.info.version ?? ""}</span>
      <form role="search" @submit=${(event) => event.preventDefault()}>
        <input id="search" type="search" aria-label="Find operations" placeholder="Find operations" autocomplete="off" spellcheck="false" .value=${text} @input=${narrow((value) => (text = value))}></form>
      <a href=${described.pathname}>openapi.json</a>
    </header>
    <nav aria-label="Groups"><ul><li><a href="#" aria-current=${here ? nothing : "page"}>Begin</a></li>
      ${tags.map((tag) => html`<li><a href="#${tag.name}" aria-current=${tag.name === here ? "page" : nothing}>${tag.name}</a></li>`)}</ul></nav>
    <main id="main">${source.show(shown)}</main>`;
}

function shown({ api, operations }) {
  const tag = group();
  const narrowed = found(operations, text, role);
  const heading = text.trim() ? "Found" : (tag?.name ?? "API reference");
  const listed = text.trim() ? narrowed : narrowed.filter((each) => each.tag === tag?.name);
  return html`<h1 tabindex="-1">${heading}</h1>${choosing(api)}
    ${text.trim() || tag ? operationsIn(api, tag, listed) : beginning(api)}`;
}

const choosing = (api) => html`<div class="bar">
  <label>Commands for <select @change=${chooseShell}>${Object.entries(SHELLS).map(([name, title]) => html`<option value=${name} ?selected=${name === shell}>${title}</option>`)}</select></label>
  <label>What may be done with <select @change=${narrow((value) => (role = value))}><option value="" .selected=${!role}>any role</option>
    ${api.components.schemas.Role.enum.map((name) => html`<option .selected=${name === role}>${name}</option>`)}</select></label></div>`;

function operationsIn(api, tag, listed) {
  const about = text.trim() ? `${listed.length} of the operations` : tag.description;
  return html`<p class="dim" role="status">${about}</p>
    ${listed.length ? nothing : html`<p>None${role ? ` for ${role}` : ""}.</p>`}
    ${listed.map((each) => operation(api, each, shell, open.has(each.id), (isOpen) => fold(each.id, isOpen)))}`;
}

function fold(id, isOpen) {
  if (isOpen === open.has(id)) return;
  if (isOpen) open.add(id);
  else open.delete(id);
  if (isOpen) history.replaceState(undefined, "", `#${id}`);
  update();
}

function beginning(api) {
  const { scheme } = api.components.securitySchemes.entra;
  const address = new URL("..", document.baseURI).href.replace(/\/$/, "");
  const lines = settingUp(shell, { ...config, address, scheme: scheme[0].toUpperCase() + scheme.slice(1) });
  return html`${api.info.description.split("\n\n").map((words) => html`<p>${prose(words)}</p>`)}
    <h2>Set these first</h2><p>Every command here uses these variables. The token is ${config.local ? "an admin's" : "that of whoever is signed in to the Azure CLI"}.</p>
    <pre tabindex="0" role="region" aria-label="Variables">${lines}</pre><div class="actions">${copyButton(lines, "the lines")}</div>
    <h2>What there is</h2><ul class="members">${api.tags.map((tag) => html`<li><a href="#${tag.name}">${tag.name}</a> ${tag.description}</li>`)}</ul>`;
}

/** `/` goes to the search, as in the console. */
addEventListener("keydown", (key) => {
  if (key.key !== "/" || key.target.closest("input, select, textarea") || key.ctrlKey || key.metaKey || key.altKey) return;
  key.preventDefault();
  document.getElementById("search").focus();
});
addEventListener("hashchange", arrive);
const theme = localStorage.getItem("theme");
if (theme) document.documentElement.dataset.theme = theme;
root.replaceChildren(); // lit-html keeps what was there
update();
