// A receiver of Tenant Hooks on plain Node.js 24 or newer, without dependencies: verify, write to a journal, answer
// 202; work later, once for each event. `work` is yours to write.
//
//   TENANT_HOOKS_SECRET=whsec_… node receiver.mjs
//
// PORT (8080), HOST (127.0.0.1) and JOURNAL (received.jsonl) can be set too. TLS is for the proxy in front.

import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import { openJournal } from "./journal.mjs";

const TOLERANCE_SECONDS = 300;
const LARGEST_BODY_BYTES = 1024 * 1024;
const WAITS_MS = [1_000, 10_000, 60_000, 600_000]; // between the tries of work that fails

// Put your own work here. When it throws, the event comes again after a while. Whole numbers above 2^53 have lost
// digits in here; times are the strings that were sent.
async function work(event) {
  console.log(`Worked on ${event.type} ${event.meta.idempotencyKey}`);
}

// Why the delivery is not to be believed (Standard Webhooks), or null. `body` is a Buffer with the bytes as they came,
// `now` in seconds since 1970.
export function findFault(body, headers, secret, now) {
  const id = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (id === "" || !/^[0-9]{1,12}$/.test(timestamp)) return "webhook-id or webhook-timestamp is missing";
  if (Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) return "webhook-timestamp is more than five minutes off";
  const mac = createHmac("sha256", keyOf(secret)).update(`${id}.${timestamp}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${mac}`);
  // Several signatures while a secret is rotated; all are compared, each in constant time.
  const fits = (headers["webhook-signature"] ?? "").split(" ").map((each) => same(expected, Buffer.from(each)));
  return fits.includes(true) ? null : "no webhook-signature fits";
}

function same(a, b) {
  return a.length === b.length && timingSafeEqual(a, b);
}

// Anybody could sign with an empty key.
function keyOf(secret) {
  // Checked, since Buffer passes over what is no base64.
  const text = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret ?? "")?.[1] ?? "";
  const key = Buffer.from(text, "base64");
  if (text.length % 4 !== 0 || key.length < 24) {
    throw new Error("TENANT_HOOKS_SECRET must be the endpoint's secret, whsec_…");
  }
  return key;
}

async function readBody(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > LARGEST_BODY_BYTES) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

// `journal` keeps what was accepted: see journal.mjs for what another one must do.
export function makeReceiver(secret, journal, workOn = work) {
  let last = Promise.resolve();

  async function answer(request, response) {
    if (request.method !== "POST") return say(response, 405, "POST only");
    const body = await readBody(request);
    if (body === null) return say(response, 413, "larger than this receiver takes (1 MiB)");
    const fault = findFault(body, request.headers, secret, Date.now() / 1000);
    if (fault !== null) return say(response, 401, fault);
    const id = request.headers["webhook-id"];
    const text = body.toString("utf8");
    const isNew = await journal.add(id, text); // on disk before the answer
    say(response, 202, isNew ? "accepted" : "known already");
    if (isNew) workLater(id, text);
  }

  // One event after the other. If the journal cannot be written, the process ends: what waits comes at the next start.
  function workLater(id, text, tries = 0) {
    last = last.then(async () => {
      const error = await workOn(JSON.parse(text)).then(() => null, (reason) => reason);
      if (error === null) return journal.end(id, "done");
      console.error(`Failed on ${id}: ${error.message}`);
      if (tries >= WAITS_MS.length) return journal.end(id, "failed");
      setTimeout(workLater, WAITS_MS[tries], id, text, tries + 1);
    });
  }

  for (const [id, text] of journal.waiting) workLater(id, text); // accepted before this start
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      console.error(`Not accepted: ${error.message}`);
      if (!response.headersSent) say(response, 500, "not accepted"); // the event comes again
    });
  });
  server.requestTimeout = 30_000;
  return server;
}

function say(response, status, text) {
  const headers = { "Content-Type": "text/plain; charset=utf-8", ...(status >= 400 && { Connection: "close" }) };
  response.writeHead(status, headers).end(text);
}

async function main() {
  const { TENANT_HOOKS_SECRET, HOST = "127.0.0.1", PORT = "8080", JOURNAL = "received.jsonl" } = process.env;
  keyOf(TENANT_HOOKS_SECRET); // before anything is written
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(0));
  const journal = await openJournal(JOURNAL).catch((error) => {
    throw new Error(`JOURNAL must name a file that can be written, in a folder that is there: ${error.message}`);
  });
  const server = makeReceiver(TENANT_HOOKS_SECRET, journal);
  server.listen(Number(PORT), HOST);
  await once(server, "listening");
  console.log(`Listening on http://${HOST}:${server.address().port}/`);
}

// Only where this file is what was started.
if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
