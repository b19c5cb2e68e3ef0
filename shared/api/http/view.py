"""What the API's answers are made of: what is sent and what /openapi.json says of it are one model. camelCase, absent
members left out, never null. A model, of an answer or of a request, has its example as part of it."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shared.model import Severity as ModelSeverity
from shared.model import utc_text

COMPONENT = "x-component"

Time = Annotated[
    datetime, PlainSerializer(utc_text, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
Count = Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})]
ByteCount = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
"""Of storage, for one: more than 2^31."""


class Component:
    """Marks a type whose schema is a component of the description: generated clients have one type of this name, and
    not one for each place where it stands. (Models are components anyway.)"""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), COMPONENT: self._name}


Severity = Annotated[ModelSeverity, Component("Severity")]
FreeObject = Annotated[dict[str, Any], Component("FreeObject")]
"""A JSON object of which the description says nothing more."""


def example(value: dict[str, Any]) -> ConfigDict:
    """The `model_config` of a model that is described with this example."""
    return ConfigDict(json_schema_extra={"examples": [value]})


class View(BaseModel):
    """A JSON object of an answer."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    def shown(self) -> dict[str, Any]:
        """As JSON values: absent members left out, because a flow's trigger schema breaks on nulls."""
        return self.model_dump(by_alias=True, exclude_none=True)
