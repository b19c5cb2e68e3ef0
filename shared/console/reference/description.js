// The API's description (/openapi.json) as what is drawn of it: its operations, and what is told of each.

import { sample } from "./schemas.js";

const JSON_TYPES = ["application/json", "application/problem+json"];

/** Every operation, in the description's order. `id` is its name in the description; `parameters` have name, in, schema
 * and description; `body` is {schema, example, required}, or undefined where it takes none. */
export function operationsOf(api) {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, told]) => ({
      id: told.operationId,
      method: method.toUpperCase(),
      path,
      tag: told.tags[0],
      summary: told.summary,
      about: told.description,
      roles: told["x-roles"],
      parameters: told.parameters ?? [],
      body: bodyOf(api, told.requestBody),
      answers: answersOf(api, told.responses),
    })),
  );
}

function bodyOf(api, told) {
  const schema = schemaOf(told?.content);
  return schema && { schema, example: sample(api, schema), required: told.required, types: Object.keys(told.content) };
}

/** The answers by status, successes first: {status, about, headers, schema, example}. */
function answersOf(api, responses) {
  return Object.entries(responses).map(([status, told]) => {
    const found = told.$ref ? api.components.responses[told.$ref.split("/").at(-1)] : told;
    const schema = schemaOf(found.content);
    const given = Object.values(found.content ?? {})[0]?.example;
    return {
      status,
      about: found.description,
      headers: Object.entries(found.headers ?? {}).map(([name, header]) => ({ name, about: header.description ?? "" })),
      schema,
      example: schema && (given ?? sample(api, schema)),
    };
  });
}

const schemaOf = (content) => JSON_TYPES.map((type) => content?.[type]?.schema).find(Boolean);

/** Whether an answer is of a call that succeeded. */
export const succeeded = (answer) => answer.status.startsWith("2");

/** Those that hold all words of the text, in their method, path, name, summary or description; `role` is of who may. */
export function found(operations, text, role) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return operations.filter((each) => {
    const told = `${each.method} ${each.path} ${each.id} ${each.summary} ${each.about}`.toLowerCase();
    return words.every((word) => told.includes(word)) && (!role || !each.roles.length || each.roles.includes(role));
  });
}
