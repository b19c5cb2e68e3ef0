// Prints, as JSON, what the console's reference tells of each operation in the description that standard input holds.

import { command } from "../../../shared/console/reference/commands.js";
import { operationsOf } from "../../../shared/console/reference/description.js";
import { bounds, kind, shapes } from "../../../shared/console/reference/schemas.js";

let text = "";
for await (const part of process.stdin) text += part;
const api = JSON.parse(text);
const told = operationsOf(api).map((each) => ({
  ...each,
  bash: command("bash", each),
  powershell: command("powershell", each),
  takes: each.body && { kind: kind(api, each.body.schema), shapes: shapes(api, each.body.schema) },
  returns: each.answers.map(({ schema }) => schema && { kind: kind(api, schema), shapes: shapes(api, schema) }),
  query: each.parameters.map(({ name, schema }) => ({ name, kind: kind(api, schema), bounds: bounds(api, schema) })),
}));
console.log(JSON.stringify(told));
