// The parts of the console that need no page. Run by tests/unit/test_console_modules.py, or: node --test tests/unit

import assert from "node:assert/strict";
import { test } from "node:test";

// What the modules touch when they are loaded.
const stored = new Map();
globalThis.localStorage = { getItem: (name) => stored.get(name) ?? null, setItem: (name, value) => stored.set(name, value) };
globalThis.document = { createTreeWalker: () => ({}), createComment: () => ({}), createElement: () => ({}) };

const load = (name) => import(new URL(`../../shared/console/${name}`, import.meta.url));
const text = await load("text.js");
const form = await load("form.js");
const editor = await load("pages/editor.js");
const { cell, lastWords } = await load("pages/deliveries.js");
const { curl } = await load("pages/delivery.js");
const { fits } = await load("pages/endpoints.js");
const { written } = await load("pages/storage.js");

test("sizes are said as the wire formats say them", () => {
  assert.deepEqual([0, 1023, 1024, 25838523252736].map(text.size), ["0 bytes", "1023 bytes", "1.0 KiB", "23.5 TiB"]);
});

test("durations are said in two parts at most", () => {
  assert.deepEqual([0, 30, 120, 600, 5400, 90061].map(text.duration), ["0 s", "30 s", "2 min", "10 min", "1 h 30 min", "1 d 1 h"]);
});

test("times ago are in words", () => {
  const now = Date.parse("2026-11-27T12:00:00Z");
  assert.equal(text.ago("2026-11-27T11:58:30Z", now), "1 minute ago");
  assert.equal(text.ago("2026-11-28T12:00:00Z", now), "tomorrow");
  assert.equal(text.ago("2026-11-27T12:00:00Z", now), "now");
});

test("characters that hide or turn a line around are made visible", () => {
  assert.equal(text.visible("a\u202eb\u200bc\u0000"), "a⟨U+202E⟩b⟨U+200B⟩c⟨U+0000⟩");
  assert.equal(text.visible("Grüße\n\t日本"), "Grüße\n\t日本");
});

test("a URL is shown without its query", () => {
  assert.equal(text.masked("https://a.example/x?code=secret"), "https://a.example/x?…");
  assert.equal(text.masked("https://a.example/x"), "https://a.example/x");
});

test("what is no JSON stays as it is", () => {
  assert.equal(text.laidOut('{"a":1}'), '{\n  "a": 1\n}');
  assert.equal(text.laidOut("<xml>"), "<xml>");
});

test("one and several", () => {
  assert.deepEqual([text.several(1, "line"), text.several(2, "line"), text.several(2000, "delivery", "deliveries")], ["1 line", "2 lines", "2,000 deliveries"]);
});

test("patterns cover types as the API has it", () => {
  assert.ok(editor.covers("*", "storage.threshold_exceeded"));
  assert.ok(!editor.covers("*", "webhook.delivery_failed"));
  assert.ok(editor.covers("webhook.*", "webhook.delivery_failed"));
  assert.ok(!editor.covers("storage.*", "storageX"));
  assert.ok(editor.covers("ProvisioningStarted", "ProvisioningStarted"));
});

const DRAFT = { endpoint: "https://a.example/", name: "", types: ["*"], format: "point", settings: {}, minSeverity: "", tenants: "", sites: "", maxPerSecond: "", retryDelays: "", ordered: false, auth: "keep", authText: "" };

test("a registration says only what was filled in", () => {
  assert.deepEqual(editor.said(DRAFT, undefined, true), { types: ["*"], format: "point" });
  const filled = { ...DRAFT, sites: "https://a/*\n\n https://b/* ", retryDelays: "1, 2", auth: "headers", authText: "X-Token: a:b" };
  assert.deepEqual(editor.said(filled, undefined, true), {
    types: ["*"], format: "point", sites: ["https://a/*", "https://b/*"], retryDelays: [1, 2], auth: { type: "headers", headers: { "X-Token": "a:b" } },
  });
  assert.equal(editor.said(filled, undefined, false).auth, undefined);
});

test("a change says only what differs from what was read, and null where something goes", () => {
  const before = { types: ["*"], format: "point", name: "Desk", minSeverity: "high" };
  assert.deepEqual(editor.said({ ...DRAFT, name: "Desk", minSeverity: "high" }, before, true), {});
  assert.deepEqual(editor.said({ ...DRAFT, name: "", minSeverity: "low" }, before, true), { name: null, minSeverity: "low" });
  assert.deepEqual(editor.said({ ...DRAFT, ordered: true }, before, true).ordered, true);
  assert.equal(editor.said(DRAFT, { ...before, ordered: true }, true).ordered, null);
});

test("a schema's references and 'or null' are followed", () => {
  const defs = { Level: { type: "string", enum: ["a", "b"] } };
  assert.deepEqual(form.kindOf({ anyOf: [{ $ref: "#/$defs/Level" }, { type: "null" }], default: null, description: "d" }, defs), { type: "string", enum: ["a", "b"], $ref: "#/$defs/Level", description: "d" });
  assert.deepEqual(form.kindOf({ const: "x", type: "string" }, {}).enum, ["x"]);
  assert.equal(form.spoken("companyId"), "Company id");
});

test("a cell is no formula", () => {
  assert.deepEqual(["=1+1", "+1", "-1", "@a", 'a"b', "", undefined].map(cell), [`"'=1+1"`, `"'+1"`, `"'-1"`, `"'@a"`, '"a""b"', '""', '""']);
});

test("a delivery's last attempt in a few words", () => {
  assert.equal(lastWords({ attempts: [], reason: "endpoint failing" }), "endpoint failing");
  assert.equal(lastWords({ attempts: [{ status: 500, durationMs: 3 }] }), "500 after 3 ms");
  assert.equal(lastWords({ attempts: [{ error: "the name does not resolve" }] }), "the name does not resolve");
});

test("curl says nothing that is not kept, and no shell reads more than it should", () => {
  const said = curl({ url: "https://a.example/?a='b", headers: { "Content-Type": "application/json", Signature: "…" }, body: "{\"a\":\"it's\"}" });
  assert.ok(!said.includes("Signature"));
  assert.ok(said.includes("'https://a.example/?a='\\''b'"));
  assert.ok(said.includes("--data-raw '{\"a\":\"it'\\''s\"}'"));
});

test("endpoints are found by state, format and text", () => {
  const endpoint = { name: "Desk", endpoint: "https://desk.example/", types: ["storage.*"], format: "slack", health: { state: "failing" } };
  const any = { state: "", format: "", text: "" };
  assert.ok(fits(endpoint, any) && fits(endpoint, { ...any, text: "STORAGE" }) && fits(endpoint, { ...any, state: "failing", format: "slack" }));
  assert.ok(!fits(endpoint, { ...any, state: "healthy" }) && !fits(endpoint, { ...any, text: "other" }));
});

test("a threshold is a percentage or a size", () => {
  assert.deepEqual(["90", " 87.5 % ", "500GB"].map(written), [90, 87.5, "500GB"]);
});

test("a secret among settings is typed unseen, and stays where none is given", () => {
  const schema = { properties: { routingKey: { type: "string", format: "password", writeOnly: true } }, required: ["routingKey"] };
  const values = (kept) => form.fields(schema, {}, "settings", [], () => {}, kept)[0].values;
  assert.ok(values(false).includes("password") && values(false).includes(true), "a new endpoint needs it");
  assert.ok(values(true).includes("unchanged") && !values(true).includes(true), "an old one keeps it");
});
