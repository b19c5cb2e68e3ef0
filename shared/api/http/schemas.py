"""JSON Schemas of what the API takes and returns, made of its models."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from shared.api.http.problem import ProblemBody

Json = dict[str, Any]


class _RequestSchema(GenerateJsonSchema):
    """Schemas of what is sent to the API: null counts as absent, as the models take it."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False  # made of the name, and says no more than it

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {name: value for name, value in made.items() if (name, value) != ("default", None)}


class _ResponseSchema(_RequestSchema):
    """Schemas of what the API answers: an optional member is there or absent, never null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


class Schemas:
    """The schemas of these requests' and responses' bodies. Models are components."""

    def __init__(self, requests: Iterable[Any], responses: Iterable[Any]) -> None:
        self.components: dict[str, Json] = {}
        self._of: dict[Any, Json] = {}
        self._add(requests, "validation", _RequestSchema)
        self._add([*responses, ProblemBody], "serialization", _ResponseSchema)
        self.components["Problem"] = self.components.pop("ProblemBody")
        self._of[ProblemBody] = {"$ref": "#/components/schemas/Problem"}

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
        self._of |= {kind: schema for (kind, _), schema in found.items()}
        self.components |= definitions.get("$defs", {})
