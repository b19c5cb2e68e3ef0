// Publishes an event by hand: a sample of its type to begin with, and who would get it before it is sent.

import { html, nothing } from "../vendor/lit-html.js";
import { get, post } from "../api.js";
import { Area, trouble } from "../area.js";
import { say } from "../dialog.js";
import { safe, several } from "../text.js";
import { explaining } from "./events.js";

const BLANK = { type: "custom.hello", content: { text: "Hello" } };

export function publish({ update, holds }) {
  const types = holds("Point.Read", "Point.Subscribe") ? new Area(update, (signal) => get("webhooks/types", { publishable: "true" }, signal)) : undefined;
  const explained = explaining(update);
  let text = sampleOf(BLANK), error, accepted, busy = false;

  const choose = (event) => {
    const known = types.value.value.find((each) => each.type === event.target.value);
    text = sampleOf(known ? { type: known.type, content: known.sample, severity: known.severity } : BLANK);
    [error, accepted] = [undefined, undefined];
    update();
  };
  const read = () => {
    try {
      return JSON.parse(text);
    } catch (problem) {
      throw new Error(`This is no JSON: ${problem.message}`);
    }
  };
  const attempt = async (work) => {
    [error, busy] = [undefined, true];
    update();
    try {
      await work(read());
    } catch (problem) {
      error = problem;
    }
    busy = false;
    update();
  };
  const send = (submitted) => {
    submitted.preventDefault();
    return attempt(async (event) => {
      accepted = await post("events", event);
      say(`Accepted for ${several(accepted.deliveries, "endpoint")}`);
    });
  };

  const view = () => html`<form class="sheet card" @submit=${send}>
      ${types ? html`<label>Start from a sample of <select @change=${choose}><option value="">custom.hello</option>${(types.value?.value ?? []).map((each) => html`<option>${each.type}</option>`)}</select></label>` : nothing}
      <label>Event <textarea rows="16" spellcheck="false" .value=${text} @input=${(event) => (text = event.target.value)}></textarea>
        <span class="hint">The same idempotency key twice is the same event. Severity and tenant may be left out.</span></label>
      ${error ? html`${trouble(error)}${(error.errors ?? []).length > 1 ? html`<ul>${error.errors.map((clause) => html`<li>${clause}</li>`)}</ul>` : nothing}` : nothing}
      <div class="actions"><button class="primary" ?disabled=${busy}>Publish</button>${holds() ? html`<button type="button" ?disabled=${busy} @click=${() => attempt(explained.ask)}>Explain who would get it</button>` : nothing}</div>
    </form>
    ${accepted ? html`<section class="card" role="status"><p>${accepted.duplicate ? "It was known already: nothing is delivered twice." : `Accepted for ${several(accepted.deliveries, "endpoint")}.`}
      ${holds("Point.Read") ? html`<a href="#/events/${encodeURIComponent(accepted.idempotencyKey)}">See how it goes: ${safe(accepted.idempotencyKey)}</a>` : safe(accepted.idempotencyKey)}</p></section>` : nothing}
    ${explained.view()}`;
  return { view, close: () => types?.close() };
}

/** An event as text to edit, with a key made for it. */
const sampleOf = (event) => JSON.stringify({ ...event, meta: { idempotencyKey: crypto.randomUUID() } }, null, 2);
