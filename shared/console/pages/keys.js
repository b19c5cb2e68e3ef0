// The signature key: what receivers check `Signature` with, and the next one, announced ahead.

import { html, nothing } from "../vendor/lit-html.js";
import { get, post } from "../api.js";
import { trouble } from "../area.js";
import { confirmation, copyButton } from "../dialog.js";
import { ago, time } from "../text.js";

const SHOWN_MS = 60_000;

export function keys({ update }) {
  let found, error, timer, countdown;

  function show(value) {
    clearTimeout(timer);
    clearInterval(countdown);
    [found, error] = [value, undefined];
    timer = setTimeout(hide, SHOWN_MS);
    countdown = setInterval(update, 1000);
    update();
  }
  function hide() {
    clearTimeout(timer);
    clearInterval(countdown);
    found = undefined;
    update();
  }
  const read = async () => {
    try {
      show(await get("options"));
    } catch (problem) {
      error = problem;
      update();
    }
  };
  const rotate = () => {
    let hours = 24;
    const body = html`<p>The next key is announced now and signs from then on. Give it to every receiver that checks <code>Signature</code> before.</p>
      <label>Hours ahead <input type="number" min="0" max="720" step="any" required value="24" @input=${(event) => (hours = Number(event.target.value))}></label>`;
    const work = async () => {
      show(await post("options/signature-key/rotate", { activateInHours: hours }));
      return true;
    };
    return confirmation({ title: "Announce the next signature key?", body, action: "Announce", work });
  };

  const view = () => html`<section class="card"><h2>Signature key</h2>
      <p>It keys the header <code>Signature</code> of every delivery. Who holds it can make deliveries that look like this app's, so receivers
        should rather check <code>webhook-signature</code> with the secret of their own endpoint. Reading it is noted in the audit log.</p>
      ${error ? trouble(error) : nothing}
      ${found ? shown() : html`<div class="actions"><button type="button" class="primary" @click=${read}>Show the key</button><button type="button" @click=${rotate}>Announce the next one …</button></div>`}
    </section>
    <section class="card"><h2>Secrets of endpoints</h2><p>Each <a href="#/endpoints">endpoint</a> has one of its own, on its page.</p></section>`;

  const shown = () => html`
    <h3>Signs now</h3><pre tabindex="0" role="region" aria-label="The key that signs now">${found.webhooksSignatureAuthenticationKey}</pre>
    ${copyButton(found.webhooksSignatureAuthenticationKey, "the key")}
    ${found.nextWebhooksSignatureAuthenticationKey ? html`<h3>Signs from ${time(found.activatesAt)}, ${ago(found.activatesAt)}</h3>
      <pre tabindex="0" role="region" aria-label="The next key">${found.nextWebhooksSignatureAuthenticationKey}</pre>${copyButton(found.nextWebhooksSignatureAuthenticationKey, "the next key")}` : nothing}
    <div class="actions"><button type="button" @click=${hide}>Hide</button><button type="button" @click=${rotate}>Announce the next one …</button><span class="dim">Hidden after a minute</span></div>`;

  return { view, close: hide };
}
