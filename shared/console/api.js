// The API: JSON in and out, problems (RFC 9457) as errors with words.

import { fetchAs, hasJustSignedIn, signIn } from "./signin.js";

const PATIENCE_MS = 60_000;

/** What the API refused or could not do; `message` says what to change. */
export class Problem extends Error {
  constructor(status, message, more = {}) {
    super(message);
    this.status = status;
    this.errors = more.errors ?? [];
    this.retryAfter = more.retryAfter ?? 0;
  }
}

/** Asks the API. `query` members that are empty are left out. Returns {value, headers}; value is undefined without a body. */
export async function ask(method, path, { body, query, headers, signal } = {}) {
  const url = new URL(`../v1.0/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query ?? {})) if (value || value === 0) url.searchParams.set(name, value);
  const options = { method, headers: { ...headers }, cache: "no-store" };
  options.signal = AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), ...(signal ? [signal] : [])]);
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let answer = await sent(url, options);
  if (answer.status === 401) answer = await sent(url, options, true);
  if (answer.status === 401 && !hasJustSignedIn()) await signIn();
  return read(answer);
}

export const get = async (path, query, signal) => (await ask("GET", path, { query, signal })).value;
export const post = async (path, body, headers) => (await ask("POST", path, { body, headers })).value;

async function sent(url, options, renewed) {
  try {
    return await fetchAs(url, options, renewed);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.name === "TimeoutError") throw new Problem(0, "The app did not answer within a minute.");
    if (error instanceof TypeError) throw new Problem(0, "The app cannot be reached. Is this machine online?");
    throw new Problem(0, `Signing in failed: ${error.message}`);
  }
}

async function read(answer) {
  const text = await answer.text();
  let value;
  try {
    value = text ? JSON.parse(text) : undefined;
  } catch {
    throw new Problem(answer.status, `The app answered ${answer.status}, and not with JSON.`);
  }
  if (answer.ok) return { value, headers: answer.headers };
  const retryAfter = Number(answer.headers.get("Retry-After")) || 0;
  const said = value?.detail ?? `The app answered ${answer.status}.`;
  throw new Problem(answer.status, said, { errors: value?.errors, retryAfter });
}
