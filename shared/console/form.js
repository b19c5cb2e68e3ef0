// A form made of a JSON Schema: texts, numbers, choices and switches as fields, all else as JSON to edit.

import { html, nothing } from "./vendor/lit-html.js";

/** Fields for the members of an object. `value` is what there is; `changed(value)` is told the object with each change.
 * `errors` are the API's clauses that begin with `under.member`. With `kept` there are such settings already: a secret
 * among them is not shown, and stays where none is given. */
export function fields(schema, value, under, errors, changed, kept = false) {
  const required = new Set(schema.required ?? []);
  const set = (name, given) => {
    const next = { ...value };
    if (given === undefined) delete next[name];
    else next[name] = given;
    changed(next);
  };
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const kind = kindOf(property, schema.$defs ?? {});
    const wrong = errors.filter((clause) => clause.startsWith(`${under}.${name}`));
    const about = html`${kind.description ? html`<span class="hint">${kind.description}</span>` : nothing}${wrong.map((clause) => html`<span class="wrong">${clause}</span>`)}`;
    const hidden = kept && kind.writeOnly;
    return field(name, hidden ? { ...kind, default: "unchanged" } : kind, value[name], required.has(name) && !hidden, (given) => set(name, given), about);
  });
}

function field(name, kind, value, required, set, about) {
  const title = html`${spoken(name)}${required ? nothing : html` <span class="dim">(optional)</span>`}`;
  if (kind.enum) {
    return html`<label class="field">${title}<select ?required=${required} @change=${(event) => set(event.target.value || undefined)}>
      <option value="">${kind.default === undefined ? "choose" : `${kind.default} (default)`}</option>${kind.enum.map((each) => html`<option ?selected=${each === value}>${each}</option>`)}</select>${about}</label>`;
  }
  if (kind.type === "boolean") {
    return html`<label class="field"><input type="checkbox" .checked=${value ?? kind.default ?? false} @change=${(event) => set(event.target.checked)}> ${spoken(name)}${about}</label>`;
  }
  if (kind.type === "integer" || kind.type === "number") {
    return html`<label class="field">${title}<input type="number" step=${kind.type === "integer" ? 1 : "any"} ?required=${required} .value=${value ?? ""} placeholder=${kind.default ?? ""} @change=${(event) => set(event.target.value === "" ? undefined : Number(event.target.value))}>${about}</label>`;
  }
  if (kind.type === "string") {
    return html`<label class="field">${title}<input type=${kind.writeOnly ? "password" : "text"} autocomplete="off" ?required=${required} .value=${value ?? ""} placeholder=${kind.default ?? ""} spellcheck="false" @change=${(event) => set(event.target.value || undefined)}>${about}</label>`;
  }
  return json(title, value, set, about);
}

/** What no field fits, as JSON; what cannot be read is said and not taken. */
function json(title, value, set, about) {
  const read = (event) => {
    const text = event.target.value.trim();
    try {
      set(text ? JSON.parse(text) : undefined);
      event.target.setCustomValidity("");
    } catch (error) {
      event.target.setCustomValidity(`This is no JSON: ${error.message}`);
      event.target.reportValidity();
    }
  };
  return html`<label class="field">${title} <span class="dim">JSON</span><textarea spellcheck="false" .value=${value === undefined ? "" : JSON.stringify(value, null, 2)} @change=${read}></textarea>${about}</label>`;
}

/** A schema with its reference followed and without "or null". */
export function kindOf(property, defs) {
  const followed = property.$ref ? { ...defs[property.$ref.split("/").at(-1)], ...property } : property;
  const choices = (followed.anyOf ?? []).filter((each) => each.type !== "null");
  const kind = choices.length === 1 ? { ...kindOf(choices[0], defs), ...without(followed, "anyOf") } : followed;
  if (kind.default === null) delete kind.default;
  return kind.const === undefined ? kind : { ...kind, enum: [kind.const] };
}

function without(object, name) {
  const { [name]: _, ...rest } = object;
  return rest;
}

/** `companyId` as words: "Company id". */
export function spoken(name) {
  const words = name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words[0].toUpperCase() + words.slice(1);
}
