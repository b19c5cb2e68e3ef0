"""JSON Schemas of what the API takes and returns, made of its models, in the words that generators of clients read: no
`anyOf`, a value that may be null is `type: [T, "null"]`, and what stands in several places is a component."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from shared.api.http.problem import ProblemBody
from shared.api.http.view import COMPONENT

Json = dict[str, Any]


class _RequestSchema(GenerateJsonSchema):
    """Schemas of what is sent to the API: null counts as absent, as the models take it."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False  # made of the name, and says no more than it

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {name: value for name, value in made.items() if (name, value) != ("default", None)}

    def union_schema(self, schema: core_schema.UnionSchema) -> JsonSchemaValue:
        """No two members of the API's unions take the same value."""
        made = super().union_schema(schema)
        return {"oneOf" if name == "anyOf" else name: value for name, value in made.items()}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return or_null(self.generate_inner(schema["schema"]))


class _ResponseSchema(_RequestSchema):
    """Schemas of what the API answers: an optional member is there or absent, never null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def or_null(schema: Json) -> Json:
    """The same, or null. A generator makes an optional T of it, not a type of its own."""
    kind = schema.get("type")
    if not isinstance(kind, str) or COMPONENT in schema:
        here = {name: schema[name] for name in schema if name == "description"}
        return {**here, "oneOf": [{"type": "null"}, {name: schema[name] for name in schema if name not in here}]}
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [kind, "null"], **values}


class Schemas:
    """The schemas of these requests' and responses' bodies. Models, and types that are marked so, are components."""

    def __init__(self, requests: Iterable[Any], responses: Iterable[Any]) -> None:
        self.components: dict[str, Json] = {}
        self._of: dict[Any, Json] = {}
        self._add(requests, "validation", _RequestSchema)
        self._add([*responses, ProblemBody], "serialization", _ResponseSchema)
        used = set(self._used(list(self._of.values())))
        self.components = {name: schema for name, schema in self.components.items() if name in used}

    def of(self, kind: Any) -> Json:
        """The schema of a body's type."""
        return self._of[kind]

    def _add(
        self, kinds: Iterable[Any], mode: Literal["validation", "serialization"], generator: type[GenerateJsonSchema]
    ) -> None:
        found, definitions = TypeAdapter.json_schemas(
            [(kind, mode, TypeAdapter(kind)) for kind in dict.fromkeys(kinds)],
            ref_template="#/components/schemas/{model}",
            schema_generator=generator,
        )
        self._of |= {kind: self._referring(schema) for (kind, _), schema in found.items()}
        for name, schema in definitions.get("$defs", {}).items():
            self._keep(_NAMES.get(name, name), self._referring(schema))

    def _referring(self, value: Any) -> Any:
        """The schema with references where components stand in it, which are kept."""
        if isinstance(value, list):
            return [self._referring(each) for each in value]
        if not isinstance(value, dict):
            return value
        made = {key: self._referring(each) for key, each in value.items() if key not in (COMPONENT, "examples")}
        if "examples" in value:
            made["examples"] = value["examples"]  # values, not schemas
        if isinstance(made.get("$ref"), str):
            prefix, _, name = made["$ref"].rpartition("/")
            made["$ref"] = f"{prefix}/{_NAMES.get(name, name)}"
        if COMPONENT not in value:
            return made
        here = {key: made.pop(key) for key in ("description", "default") if key in made}
        self._keep(value[COMPONENT], made)
        return {"$ref": f"#/components/schemas/{value[COMPONENT]}", **here}

    def _used(self, value: Any, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """The components that a schema needs."""
        if isinstance(value, dict) and isinstance(value.get("$ref"), str):
            name = value["$ref"].rpartition("/")[2]
            if name not in seen:
                yield name
                yield from self._used(self.components[name], seen | {name})
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from self._used(inner, seen)

    def _keep(self, name: str, schema: Json) -> None:
        """Raises ValueError where two components have the same name."""
        schema = {**schema, "title": name}
        if self.components.setdefault(name, schema) != schema:
            raise ValueError(f"two schemas are called {name}")


_NAMES = {ProblemBody.__name__: "Problem"}
"""Components that are called otherwise than their models."""
