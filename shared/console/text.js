// How values are shown: times, sizes, names, and text of strangers.

import { html, nothing } from "./vendor/lit-html.js";

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
const STEPS = [[60, "second"], [60, "minute"], [24, "hour"], [7, "day"], [Infinity, "week"]];
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

let utc = localStorage.getItem("zone") === "utc";

export const zoneIsUtc = () => utc;

export function setUtc(value) {
  utc = value;
  localStorage.setItem("zone", value ? "utc" : "local");
}

/** A time in the chosen zone; the title has it in UTC, whole. */
export function time(iso) {
  if (!iso) return nothing;
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return safe(iso);
  return html`<time datetime=${at.toISOString()} title=${at.toISOString()}>${clock(at)}</time>`;
}

/** The same with how long ago it was, or how soon it is. */
export function timeAgo(iso) {
  return iso ? html`${time(iso)} <span class="dim">(${ago(iso)})</span>` : nothing;
}

export function clock(at) {
  const options = { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23", timeZone: utc ? "UTC" : undefined };
  const shown = new Intl.DateTimeFormat("en-GB", options).format(at);
  return utc ? `${shown} UTC` : shown;
}

export function hourOf(iso) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: utc ? "UTC" : undefined };
  return new Intl.DateTimeFormat("en-GB", options).format(new Date(iso));
}

export function zoneName() {
  return utc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function ago(iso, now = Date.now()) {
  let amount = (new Date(iso).getTime() - now) / 1000;
  for (const [size, unit] of STEPS) {
    if (Math.abs(amount) < size) return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(amount), unit);
    amount /= size;
  }
  return "";
}

/** Seconds as a person says them: "2 min", "1 h 30 min". */
export function duration(seconds) {
  const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [Math.floor(seconds / 60) % 60, "min"], [Math.round(seconds % 60), "s"]];
  const said = parts.filter(([amount]) => amount > 0).slice(0, 2);
  return said.map(([amount, unit]) => `${amount} ${unit}`).join(" ") || "0 s";
}

/** Bytes as the wire formats say them: 23.5 TiB. */
export function size(bytes) {
  let amount = bytes;
  let step = 0;
  while (amount >= 1024 && step < UNITS.length - 1) {
    amount /= 1024;
    step += 1;
  }
  return `${step ? amount.toFixed(1) : amount} ${UNITS[step]}`;
}

export const count = (number) => new Intl.NumberFormat("en").format(number);

/** "1 endpoint", "2 endpoints". */
export const several = (number, word, words = `${word}s`) => `${count(number)} ${number === 1 ? word : words}`;

/** Text of strangers with what would be invisible, or turn the line around, made visible. */
export function visible(text) {
  return String(text).replace(HIDDEN, (character) => `⟨U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

export const safe = (text) => html`<bdi>${visible(text)}</bdi>`;

/** The name of an event type, which may go on in the next line after a dot or an underscore. */
export const typeName = (name) => html`<bdi>${visible(name).split(/(?<=[._])/).map((part) => html`${part}<wbr>`)}</bdi>`;

/** JSON laid out; text that is no JSON stays as it is. */
export function laidOut(text) {
  try {
    return JSON.stringify(typeof text === "string" ? JSON.parse(text) : text, null, 2);
  } catch {
    return text;
  }
}

export const code = (text, name) =>
  html`<pre tabindex="0" role="region" aria-label=${name}><bdi>${visible(laidOut(text))}</bdi></pre>`;

/** A URL with all but its host and path hidden: its query carries secrets. */
export function masked(url) {
  const at = url.indexOf("?");
  return at < 0 ? url : `${url.slice(0, at)}?…`;
}

/** A link out of the console, where it is one that may be followed. */
export function link(url) {
  try {
    if (new URL(url).protocol !== "https:") return safe(url);
  } catch {
    return safe(url);
  }
  return html`<a href=${url} rel="noopener noreferrer" target="_blank"><bdi>${visible(url)}</bdi></a>`;
}

const MARKS = {
  healthy: "✓", delivered: "✓", completed: "✓", pending: "…", accepted: "…", running: "…", failing: "!", failed: "✕", disabled: "–",
  cancelled: "–",
  low: "", medium: "", high: "!", critical: "‼",
};

/** A state by word and mark, so never by colour alone. */
export const state = (word) => html`<span class="state ${word}"><span aria-hidden="true">${MARKS[word]} </span>${word}</span>`;
