// Registers an endpoint, or changes one, with the body that it would get beside it.

import { html, nothing } from "../vendor/lit-html.js";
import { ask, get, post } from "../api.js";
import { Area, trouble } from "../area.js";
import { say } from "../dialog.js";
import { fields } from "../form.js";
import { code, masked, several, typeName } from "../text.js";
import { options } from "./endpoints.js";

const SEVERITIES = ["", "low", "medium", "high", "critical"];
const WAIT_MS = 400;

export function editor({ params, update, go, holds }) {
  const id = params.id;
  const admin = holds();
  const path = `webhooks/endpoints/${encodeURIComponent(id ?? "")}`;
  const draft = { endpoint: "", name: "", types: [], format: "point", settings: {}, minSeverity: "", tenants: "", sites: "", maxPerSecond: "", retryDelays: "", ordered: false, auth: "keep", authText: "" };
  const sampled = { type: "storage.threshold_exceeded" };
  let before, preview, error, saving = false, touched = false, waiting;

  const facts = new Area(update, async (signal) => {
    const [types, formats, found] = await Promise.all([get("webhooks/types", {}, signal), get("webhooks/formats", {}, signal), id ? get(path, {}, signal) : undefined]);
    if (found) {
      before = found;
      Object.assign(draft, { ...found, settings: {}, minSeverity: found.minSeverity ?? "", name: found.name ?? "", maxPerSecond: found.maxPerSecond ?? "", tenants: lines(found.tenants), sites: lines(found.sites), retryDelays: (found.retryDelays ?? []).join(", "), auth: "keep" });
      if (found.settings) draft.settings = found.settings;
      sampled.type = types.value.find((each) => found.types.some((pattern) => covers(pattern, each.type)))?.type ?? sampled.type;
    }
    preview = new Area(update, previewed); // only now it is known of which format
    return { types: types.value, formats: formats.value };
  });
  async function previewed(signal) {
    const wanted = { format: draft.format, settings: draft.settings, type: sampled.type, ...(before && before.format === draft.format && { endpoint: id }) };
    return (await ask("POST", "webhooks/preview", { body: wanted, signal })).value;
  }

  const set = (name) => (event) => {
    draft[name] = event.target.value;
    change();
  };
  function change() {
    touched = true;
    update();
    clearTimeout(waiting);
    waiting = setTimeout(() => preview.load(), WAIT_MS);
  }

  async function save(submitted) {
    submitted.preventDefault();
    [saving, error] = [true, undefined];
    update();
    try {
      const body = said(draft, before, admin);
      const made = id ? (await ask("PATCH", path, { body })).value : await post("webhooks/endpoints", { endpoint: draft.endpoint.trim(), ...body }, { Prefer: "return=representation" });
      touched = false;
      say([id ? "Changed." : "Registered.", ...(made.warnings ?? [])].join(" "));
      return go(`endpoints/${made.id}`);
    } catch (problem) {
      error = problem;
    }
    saving = false;
    update();
    document.querySelector(".wrong, .trouble")?.scrollIntoView({ block: "center" });
  }

  const wrong = (name) => (error?.errors ?? []).concat(error && !error.errors.length ? [error.message] : []).filter((clause) => clause.startsWith(name)).map((clause) => html`<span class="wrong" role="alert">${clause}</span>`);

  const view = () => facts.show(({ types, formats }) => html`<div class="columns">
    <form class="sheet card" @submit=${save}>
      ${error ? trouble(error) : nothing}
      ${id ? html`<p class="field">URL<br><strong class="long">${masked(draft.endpoint)}</strong><span class="hint">A URL is what an endpoint is known by. For another one register anew, and delete this one.</span></p>`
        : html`<label>URL <input type="url" required maxlength="4096" .value=${draft.endpoint} @change=${set("endpoint")} placeholder="https://…" spellcheck="false" autocomplete="off"><span class="hint">Where events are sent: https and a public address.</span>${wrong("endpoint")}</label>`}
      <label>Name <span class="dim">(optional)</span><input maxlength="200" .value=${draft.name} @change=${set("name")}>${wrong("name")}</label>
      <fieldset><legend>Types</legend>${typePicker(types)}${wrong("types")}</fieldset>
      <fieldset><legend>Format</legend><div class="choices">${formats.map((each) => html`<label><input type="radio" name="format" value=${each.format} .checked=${draft.format === each.format} @change=${chooseFormat}><span><strong>${each.title}</strong><span class="hint">${each.description}${each.needsAuth ? " Usually needs authentication." : ""}</span></span></label>`)}</div>${wrong("format")}</fieldset>
      ${settings(formats.find((each) => each.format === draft.format))}
      <details ?open=${Boolean(draft.minSeverity || draft.tenants || draft.sites)}><summary>Filters</summary>
        <label class="field">From severity <select @change=${set("minSeverity")}>${options(SEVERITIES, draft.minSeverity)}</select></label>
        <label class="field">Tenants <span class="dim">one a line</span><textarea rows="2" spellcheck="false" .value=${draft.tenants} @change=${set("tenants")}></textarea>${wrong("tenants")}</label>
        <label class="field">Sites <span class="dim">patterns, one a line</span><textarea rows="2" spellcheck="false" .value=${draft.sites} @change=${set("sites")} placeholder="https://contoso.sharepoint.com/sites/hr*"></textarea>${wrong("sites")}</label>
      </details>
      <details ?open=${Boolean(draft.maxPerSecond || draft.retryDelays || draft.ordered)}><summary>Pace, retries and order</summary>
        <label class="field">Deliveries a second, at most <input type="number" min="0.01" max="1000" step="any" .value=${draft.maxPerSecond} @change=${set("maxPerSecond")}>${wrong("maxPerSecond")}</label>
        <label class="field">Seconds between attempts <input .value=${draft.retryDelays} @change=${set("retryDelays")} placeholder="30, 120, 600">${wrong("retryDelays")}</label>
        <div class="choices"><label><input type="checkbox" name="ordered" .checked=${draft.ordered} @change=${(event) => ((draft.ordered = event.target.checked), change())}><span>In order<span class="hint">Events of one site, request or other subject come one after the other: while one fails, those after it wait. It costs more storage transactions.</span></span></label></div>${wrong("ordered")}
      </details>
      ${admin ? authentication() : nothing}
      <div class="actions"><button class="primary" ?disabled=${saving || !draft.types.length}>${id ? "Save" : "Register"}</button><a class="button" href="#/${id ? `endpoints/${id}` : "endpoints"}">Cancel</a>${draft.types.length ? nothing : html`<span class="dim">Choose at least one type</span>`}</div>
    </form>
    <section class="card"><h2>What it would get</h2>
      <label>Of a <select @change=${(event) => ((sampled.type = event.target.value), preview.load())}>${types.map((each) => html`<option ?selected=${each.type === sampled.type}>${each.type}</option>`)}</select></label>
      ${preview.error ? trouble(preview.error) : preview.show((made) => html`${code(made.body, "Body")}<p class="dim">${made.contentType}, ${several(made.bytes, "byte")}</p>`)}</section>
  </div>`);

  function chooseFormat(event) {
    draft.format = event.target.value;
    draft.settings = before?.format === draft.format ? (before.settings ?? {}) : {};
    change();
  }

  function typePicker(types) {
    const all = draft.types.includes("*");
    const families = [...new Set(types.map((each) => each.type.split(".")).filter((parts) => parts.length > 1).map(([family]) => `${family}.*`))];
    const covered = types.filter((each) => draft.types.some((pattern) => covers(pattern, each.type)));
    const toggle = (event) => {
      const name = event.target.value;
      draft.types = event.target.checked ? [...draft.types, name] : draft.types.filter((each) => each !== name);
      change();
    };
    const choice = (name, title, off = false) => html`<label><input type="checkbox" value=${name} .checked=${draft.types.includes(name) || off} ?disabled=${off} @change=${toggle}><span>${title}</span></label>`;
    const others = draft.types.filter((name) => name !== "*" && !families.includes(name) && !types.some((each) => each.type === name));
    const add = (event) => {
      const name = event.target.value.trim();
      if (name && !draft.types.includes(name)) draft.types = [...draft.types, name];
      event.target.value = "";
      change();
    };
    return html`<div class="choices">${choice("*", "All types (*)")}
        ${families.map((family) => choice(family, html`all of <strong>${family}</strong>`, all && family !== "webhook.*"))}
        ${types.map((each) => choice(each.type, html`${typeName(each.type)}<span class="hint">${each.title}</span>`, draft.types.some((pattern) => pattern !== each.type && covers(pattern, each.type))))}
        ${others.map((name) => choice(name, name))}</div>
      <label>Another type or prefix <input @change=${add} placeholder="custom.…" spellcheck="false"></label>
      <p class="hint" role="status">Covers ${covered.length} of ${several(types.length, "type")}.</p>`;
  }

  function settings(format) {
    if (!format?.settingsSchema) return nothing;
    const changed = (value) => {
      draft.settings = value;
      change();
    };
    return html`<fieldset><legend>Settings of ${format.title}</legend>${fields(format.settingsSchema, draft.settings, "settings", error?.errors ?? [], changed, before?.format === draft.format)}${wrong("settings:")}</fieldset>`;
  }

  const authentication = () => html`<details ?open=${draft.auth !== "keep"}><summary>Authentication</summary>
    <p class="hint">Every delivery is signed, whatever is chosen here. ${before?.auth ? `Now: ${before.auth.type}.` : ""} Values are never shown again.</p>
    <label class="field">Kind <select @change=${set("auth")}>${[["keep", before ? "leave as it is" : "none"], ...(before?.auth ? [["none", "none"]] : []), ["headers", "headers"], ["basic", "user name and password"], ["entra", "Microsoft Entra"]].map(([value, title]) => html`<option value=${value} ?selected=${value === draft.auth}>${title}</option>`)}</select></label>
    ${draft.auth === "headers" ? html`<label class="field">Headers <span class="dim">one a line, Name: value</span><textarea rows="2" spellcheck="false" autocomplete="off" @change=${set("authText")} placeholder="X-Token: …"></textarea></label>` : nothing}
    ${draft.auth === "basic" ? html`<label class="field">User name <input autocomplete="off" @change=${set("username")}></label><label class="field">Password <input type="password" autocomplete="new-password" @change=${set("password")}></label>` : nothing}
    ${draft.auth === "entra" ? html`<label class="field">Audience <input spellcheck="false" @change=${set("audience")} placeholder="api://…"></label>` : nothing}
    ${wrong("auth")}</details>`;

  const leaving = (event) => touched && event.preventDefault();
  addEventListener("beforeunload", leaving);
  const close = () => {
    removeEventListener("beforeunload", leaving);
    clearTimeout(waiting);
    facts.close();
    preview?.close();
  };
  return { view, close };
}

/** Whether a pattern covers a type, as the API has it: `*` is all but webhook.*, which must be named. */
export function covers(pattern, type) {
  if (pattern === "*") return !type.startsWith("webhook.");
  return pattern.endsWith(".*") ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}

const lines = (values) => (values ?? []).join("\n");
const listed = (text) => text.split(/\n/).map((each) => each.trim()).filter(Boolean);

/** What the form says, as the API takes it: in a change, null brings back the default; absent stays as it is. */
export function said(draft, before, admin) {
  const nothingSaid = before ? null : undefined;
  const numbers = draft.retryDelays.split(",").map((each) => each.trim()).filter(Boolean).map(Number);
  const body = {
    types: draft.types, name: draft.name || nothingSaid, format: draft.format,
    settings: Object.keys(draft.settings).length ? draft.settings : undefined,
    minSeverity: draft.minSeverity || nothingSaid, tenants: orNothing(listed(draft.tenants), nothingSaid), sites: orNothing(listed(draft.sites), nothingSaid),
    maxPerSecond: draft.maxPerSecond === "" ? nothingSaid : Number(draft.maxPerSecond), retryDelays: orNothing(numbers, nothingSaid),
    ordered: draft.ordered || nothingSaid,
    auth: admin ? authOf(draft) : undefined,
  };
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => value !== undefined && !(before && same(value, before[name]))));
}

/** What somebody else may have changed meanwhile is left alone: only what differs from what was read is sent. */
const same = (value, known) => JSON.stringify(value ?? null) === JSON.stringify(known ?? null);

const orNothing = (values, nothingSaid) => (values.length ? values : nothingSaid);

function authOf({ auth, authText, username, password, audience }) {
  if (auth === "keep") return undefined;
  if (auth === "basic") return { type: "basic", username, password };
  if (auth === "entra") return { type: "entra", audience };
  if (auth === "none") return { type: "none" };
  const headers = listed(authText).map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]);
  return { type: "headers", headers: Object.fromEntries(headers) };
}
