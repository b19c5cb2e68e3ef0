// A part of a page whose content must be asked for: loading, failed with what to do, or there.

import { html, nothing } from "./vendor/lit-html.js";

/** Asks for something and asks again when told to; draws the page whenever it knows more. */
export class Area {
  constructor(update, ask) {
    this.update = update;
    this.ask = ask;
    this.value = undefined;
    this.error = undefined;
    this.busy = false;
    this.turn = 0;
    this.load();
  }

  /** Asks anew; what is shown stays until the answer is there. An answer to an older question is passed over. */
  async load() {
    const turn = ++this.turn;
    this.controller?.abort();
    this.controller = new AbortController();
    this.busy = true;
    this.update();
    try {
      const value = await this.ask(this.controller.signal);
      if (turn !== this.turn) return;
      this.value = value;
      this.error = undefined;
    } catch (error) {
      if (turn !== this.turn || error.name === "AbortError") return;
      this.error = error;
    }
    this.busy = false;
    this.update();
  }

  close() {
    this.turn += 1;
    this.controller?.abort();
  }

  show(view) {
    const failed = this.error ? trouble(this.error, () => this.load()) : nothing;
    if (this.value !== undefined) return html`${failed}${view(this.value)}`;
    return this.error ? failed : html`<p class="dim" aria-busy="true">Loading …</p>`;
  }
}

/** What went wrong, in the API's words, with a way on. */
export function trouble(error, again) {
  const wait = error.retryAfter ? ` Wait ${error.retryAfter} s first.` : "";
  const button = again ? html`<button type="button" @click=${again}>Try again</button>` : nothing;
  return html`<div class="trouble" role="alert"><p>${error.message}${wait}</p>${button}</div>`;
}

/** What to read where there is nothing to list. */
export const empty = (words, action = nothing) => html`<div class="empty"><p>${words}</p>${action}</div>`;

/** A page of a list: its rows, or why there are none, and the ways to newer and older ones. `wanted` is the query. */
export function listing({ wanted, setQuery, found, continuation, rows, otherwise, more = nothing }) {
  const none = () => {
    if (continuation) return empty("None of these. Look at older ones.");
    if (!Object.values(wanted).some(Boolean)) return empty(otherwise);
    return empty("Nothing matches.", html`<button type="button" @click=${() => setQuery({})}>Clear filters</button>`);
  };
  return html`${found.length ? rows(found) : none()}
    <div class="actions">${wanted.continuation ? html`<button type="button" @click=${() => history.back()}>Newer</button>` : nothing}
      ${continuation ? html`<button type="button" @click=${() => setQuery({ ...wanted, continuation })}>Older</button>` : nothing}
      ${found.length ? more : nothing}</div>`;
}
