// Charts as SVG: every bar has words, and a table says the same.

import { html, svg } from "./vendor/lit-html.js";
import { count, hourOf } from "./text.js";

const HEIGHT = 120;

/** Bars by hour, each of several stacked parts. `parts`: [{name, title}], by the members of each hour. */
export function bars(hours, parts, title) {
  const total = (hour) => parts.reduce((sum, part) => sum + hour[part.name], 0);
  const most = Math.max(1, ...hours.map(total));
  const width = 100 / Math.max(1, hours.length);
  const bar = (hour, at) => {
    let top = HEIGHT;
    return svg`<g><title>${hourOf(hour.start)}: ${parts.map((part) => `${count(hour[part.name])} ${part.title}`).join(", ")}</title>
      <rect x=${at * width} y="0" width=${width} height=${HEIGHT} class="ground"></rect>
      ${parts.map((part) => {
        const height = (hour[part.name] / most) * (HEIGHT - 4);
        top -= height;
        return svg`<rect x=${at * width + width * 0.12} y=${top} width=${width * 0.76} height=${height} class=${part.name}></rect>`;
      })}</g>`;
  };
  return html`<figure class="chart">
    <figcaption>${title} <span class="legend">${parts.map((part) => html`<span class="key ${part.name}">${part.title}</span>`)}</span></figcaption>
    <svg viewBox="0 0 100 ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${title}: ${parts.map((part) => `${count(hours.reduce((sum, hour) => sum + hour[part.name], 0))} ${part.title}`).join(", ")}">${hours.map(bar)}</svg>
    <div class="axis" aria-hidden="true"><span>${hours.length ? hourOf(hours[0].start) : ""}</span><span>at most ${count(most)} an hour</span><span>now</span></div>
    <details><summary>Show as a table</summary>${hourTable(hours, parts)}</details>
  </figure>`;
}

function hourTable(hours, parts) {
  return html`<div class="wide" tabindex="0" role="region" aria-label="Hours"><table>
    <thead><tr><th scope="col">Hour</th>${parts.map((part) => html`<th scope="col" class="number">${part.title}</th>`)}</tr></thead>
    <tbody>${hours.map((hour) => html`<tr><th scope="row">${hourOf(hour.start)}</th>${parts.map((part) => html`<td class="number">${count(hour[part.name])}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

/** How much of something is used, in percent, with marks where thresholds are. */
export function share(percent, marks = []) {
  const width = Math.min(100, Math.max(0, percent));
  return html`<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="${percent} percent">
    <rect width="100" height="8" class="ground"></rect>
    <rect width=${width} height="8" class=${percent >= 90 ? "full" : "part"}></rect>
    ${marks.map((mark) => svg`<rect x=${mark - 0.3} width="0.6" height="8" class="mark"></rect>`)}
  </svg>`;
}
