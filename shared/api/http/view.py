"""What the API's answers are made of: what is sent and what /openapi.json says of it are one model. camelCase, absent
members left out, never null. A model, of an answer or of a request, has its example as part of it."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from shared.model import utc_text

Time = Annotated[
    datetime, PlainSerializer(utc_text, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
Count = Annotated[int, Field(ge=0)]


def example(value: dict[str, Any]) -> ConfigDict:
    """The `model_config` of a model that is described with this example."""
    return ConfigDict(json_schema_extra={"examples": [value]})


class View(BaseModel):
    """A JSON object of an answer."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    def shown(self) -> dict[str, Any]:
        """As JSON values: absent members left out, because a flow's trigger schema breaks on nulls."""
        return self.model_dump(by_alias=True, exclude_none=True)
