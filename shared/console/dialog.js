// Dialogs, the line that says what was done, and copying. The browser's own <dialog>: it keeps the focus, and gives it back.

import { html, nothing, render } from "./vendor/lit-html.js";

const SHOWN_MS = 8000;
let shownUntil = 0;

/** Says something to everybody, screen readers included, for some seconds. */
export function say(words) {
  const line = document.getElementById("said");
  line.textContent = words;
  line.classList.remove("hidden");
  shownUntil = Date.now() + SHOWN_MS;
  setTimeout(() => Date.now() >= shownUntil && line.classList.add("hidden"), SHOWN_MS + 50);
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${what}`);
  } catch {
    say(`The browser did not allow copying. Select ${what} and copy it by hand.`);
  }
}

export const copyButton = (text, what) =>
  html`<button type="button" class="small" aria-label="Copy ${what}" @click=${() => copy(text, what)}>Copy</button>`;

/** Asks before something is done. `typed`: what must be typed first. `work` runs on the button, and what it throws is
 * told in the dialog. Resolves to what `work` returned, or undefined where it was called off. */
export function confirmation({ title, body, action, danger = false, typed, work }) {
  const dialog = document.createElement("dialog");
  document.body.append(dialog);
  return new Promise((resolve) => {
    let result, error, busy = false;
    let entered = "";
    const draw = () => render(view(), dialog);
    const go = async (event) => {
      event.preventDefault();
      if (typed && entered !== typed) {
        error = new Error(`Type ${typed} to go on.`);
        return draw();
      }
      [busy, error] = [true, undefined];
      draw();
      try {
        result = await work();
        dialog.close();
      } catch (problem) {
        [busy, error] = [false, problem];
        draw();
      }
    };
    const view = () => html`<form @submit=${go} aria-labelledby="asks">
      <h2 id="asks">${title}</h2>
      ${body}
      ${typed ? html`<label>Type <strong>${typed}</strong> to go on <input autocomplete="off" spellcheck="false" autofocus @input=${(event) => (entered = event.target.value)}></label>` : nothing}
      ${error ? html`<p class="trouble" role="alert">${error.message}</p>` : nothing}
      <div class="actions">
        <button class=${danger ? "danger" : "primary"} ?disabled=${busy}>${action}</button>
        <button type="button" @click=${() => dialog.close()}>Cancel</button>
      </div>
    </form>`;
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    draw();
    dialog.showModal();
  });
}
