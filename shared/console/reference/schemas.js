// Schemas of the API's description, in words: what a value is, within which bounds, and of which members it is made.

const LONGEST_PATTERN = 48;
const EMPTY = { '""': "empty", "[]": "none" };
const FORMATS = { "date-time": "time in UTC", uuid: "GUID" };

/** The schema that a reference names, with what is said beside the reference. */
export function followed(api, schema) {
  if (!schema?.$ref) return schema ?? {};
  const { $ref, ...here } = schema;
  return { ...followed(api, api.components.schemas[nameOf($ref)]), ...here };
}

const nameOf = (reference) => reference.split("/").at(-1);

/** What a value may be: the schemas of a union, without null, which counts as absent. */
export function choices(api, schema) {
  const found = followed(api, schema);
  const each = (found.oneOf ?? [found]).filter((one) => one.type !== "null");
  return found.oneOf ? each.flatMap((one) => choices(api, one)) : each;
}

/** The kind of a value: "text", "list of objects", "whole number or text". */
export function kind(api, schema, several = false) {
  const kinds = choices(api, schema).map((one) => kindOfOne(api, one, several));
  return [...new Set(kinds)].join(" or ");
}

function kindOfOne(api, schema, several) {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const types = [schema.type].flat().filter((type) => type && type !== "null");
  return types.map((type) => kindOfType(api, schema, type, several ? "s" : "")).join(" or ") || "any value";
}

function kindOfType(api, schema, type, ending) {
  if (type === "array") return `list${ending} of ${kind(api, schema.items ?? {}, true)}`;
  if (type === "string") return FORMATS[schema.format] ?? `text${ending}`;
  if (type === "integer") return `whole number${ending}`;
  if (type === "boolean") return "true or false";
  return `${type}${ending}`;
}

/** The bounds of a value, each a few words: "1 to 200 characters", "default 30". */
export function bounds(api, schema) {
  return choices(api, schema).flatMap((one) => [
    one.enum ? `one of ${one.enum.filter((value) => value !== null).join(", ")}` : "",
    between(one.minLength, one.maxLength, " characters"),
    one.maxItems === 0 ? "always empty" : between(one.minItems, one.maxItems, " of them"),
    between(one.minimum, one.maximum, ""),
    one.pattern && one.pattern.length <= LONGEST_PATTERN ? `fits ${one.pattern}` : "",
    one.default === undefined ? "" : `default ${typeof one.default === "string" && one.default ? one.default : EMPTY[JSON.stringify(one.default)] ?? JSON.stringify(one.default)}`,
  ]).filter(Boolean);
}

function between(least, most, unit) {
  if (most === undefined) return least > 1 || (least === 1 && !unit) ? `at least ${least}${unit}` : "";
  return least === undefined ? `at most ${most}${unit}` : `${least} to ${most}${unit}`;
}

/** What a value is made of: {name, members} for each kind of object that it may be, or be a list of; none where it has
 * no members with names. `around` holds the names of those that have been told already, and are not told again. */
export function shapes(api, schema, around = []) {
  const told = [...around];
  return objects(api, schema).flatMap((one) => {
    if (told.includes(one.title)) return [];
    if (one.title) told.push(one.title);
    const members = membersOf(api, one, told);
    return members.length ? [{ name: one.title ?? "object", members }] : [];
  });
}

/** The objects that a value may be, or be a list of. */
function objects(api, schema) {
  const inner = (one) => (one.maxItems === 0 ? [] : objects(api, one.items ?? {}));
  return choices(api, schema).flatMap((one) => ([one.type].flat().includes("array") ? inner(one) : [one]));
}

const membersOf = (api, schema, around) => Object.entries(schema.properties ?? {}).map(([name, property]) => ({
  name,
  kind: kind(api, property),
  bounds: bounds(api, property),
  required: (schema.required ?? []).includes(name),
  about: followed(api, property).description ?? "",
  inner: shapes(api, property, around),
}));

/** An example of a value, from the description; made of its members where there is none. */
export function sample(api, schema) {
  const found = followed(api, schema);
  const [one = {}] = choices(api, schema);
  const given = found.examples?.[0] ?? one.examples?.[0];
  if (given !== undefined) return given;
  if ([one.type].flat().includes("array")) return [sample(api, one.items ?? {})];
  if (!one.properties) return one.const ?? one.enum?.[0] ?? one.default ?? ({ object: {}, integer: 1, number: 1, boolean: true }[one.type] ?? "…");
  const needed = Object.entries(one.properties).filter(([name]) => (one.required ?? []).includes(name));
  return Object.fromEntries(needed.map(([name, property]) => [name, sample(api, property)]));
}
