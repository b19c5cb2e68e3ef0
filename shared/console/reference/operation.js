// One operation of the API: what it takes, what it returns, and a command that calls it.

import { html, nothing } from "../vendor/lit-html.js";
import { copyButton } from "../dialog.js";
import { command } from "./commands.js";
import { succeeded } from "./description.js";
import { bounds, kind, shapes } from "./schemas.js";

/** Text of the description, in which what stands in back quotes is code. */
export const prose = (text) => text.split("`").map((part, at) => (at % 2 ? html`<code>${part}</code>` : part));

const laidOut = (value) => JSON.stringify(value, null, 2);
const block = (text, name) => html`<pre tabindex="0" role="region" aria-label=${name}>${text}</pre>`;

/** An operation in a fold, which `opened(open)` is told of; what is in it is drawn while it is open. */
export function operation(api, each, shell, open, opened) {
  return html`<details class="card operation" id=${each.id} ?open=${open} @toggle=${(event) => opened(event.target.open)}>
    <summary><h2><span class="method ${each.method.toLowerCase()}">${each.method}</span> <code>${each.path.split(/(?<=\/)/).map((part) => html`${part}<wbr>`)}</code>
      <span class="words">${each.summary}</span></h2></summary>
    ${open ? whole(api, each, shell) : nothing}
  </details>`;
}

function whole(api, each, shell) {
  const line = command(shell, each);
  const refusals = each.answers.filter((answer) => !succeeded(answer));
  return html`<p>${prose(each.about)}</p>
    <h3>Command</h3>${block(line, `Command for ${each.summary}`)}<div class="actions">${copyButton(line, "the command")}</div>
    ${each.parameters.length ? html`<h3>Parameters</h3>${parameters(api, each.parameters)}` : nothing}
    ${each.body ? html`<h3>Body${each.body.required ? "" : " (optional)"}</h3>${body(api, each.body)}` : nothing}
    ${each.answers.filter(succeeded).map((answer) => html`<h3>Answer ${answer.status}</h3>${answered(api, answer, each)}`)}
    <h3>Refusals</h3><ul class="members">${refusals.map(refusal)}</ul>`;
}

const parameters = (api, list) => html`<ul class="members">${list.map((each) => html`<li>
  <code>${each.name}</code> <span class="dim">in the ${each.in}, ${kind(api, each.schema)}${each.required ? "" : ", optional"}</span>
  ${about(each.description, bounds(api, each.schema))}</li>`)}</ul>`;

const body = (api, told) => html`
  ${told.types.length > 1 ? html`<p class="dim">As ${told.types.join(" or ")}.</p>` : nothing}
  ${shape(api, told.schema)}`;

const answered = (api, answer, each) => html`<p>${prose(answer.about)}</p>
  ${answer.headers.length ? html`<ul class="members">${answer.headers.map((header) => html`<li><code>${header.name}</code> <span class="dim">a header</span> ${prose(header.about)}</li>`)}</ul>` : nothing}
  ${answer.schema ? html`${shape(api, answer.schema)}${block(laidOut(answer.example), `Answer ${answer.status} of ${each.summary}`)}` : nothing}`;

const refusal = (answer) => html`<li><code>${answer.status}</code> ${prose(answer.about)}
  ${answer.example?.detail ? html`<span class="dim">such as: ${answer.example.detail}</span>` : nothing}</li>`;

/** What a body is made of; where it may be of several kinds, each is told with its members. */
function shape(api, schema) {
  const found = shapes(api, schema);
  if (found.length > 1) return html`<p class="dim">${kind(api, schema)}</p>${alternatives(found)}`;
  return html`<p class="dim">${kind(api, schema)}</p>${found.map((each) => listed(each.members))}`;
}

const alternatives = (found) => html`<ul class="members">${found.map((each, at) => html`<li><span class="dim">${at ? "or" : "either"} ${each.name}</span>${listed(each.members)}</li>`)}</ul>`;

const listed = (members) => html`<ul class="members">${members.map((each) => html`<li>
  <code>${each.name}</code> <span class="dim">${each.kind}${each.required ? "" : ", optional"}</span> ${about(each.about, each.bounds)}
  ${each.inner.length ? html`<details><summary>Members of ${each.name}</summary>${each.inner.length > 1 ? alternatives(each.inner) : listed(each.inner[0].members)}</details>` : nothing}</li>`)}</ul>`;

const about = (words = "", limits = []) => html`${prose(words)}${limits.length ? html` <span class="dim">(${limits.join("; ")})</span>` : nothing}`;
