"""What a request says of an endpoint."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shared.admin.changes import Changes, JsonObject, Patch, Whole
from shared.api.endpoint_views import EXAMPLE_URL, WireFormat
from shared.api.http.view import COMPONENT, Component, FreeObject, Severity, example
from shared.delivery.schedule import JITTER
from shared.formats import FORMATS
from shared.model import Endpoint, Model
from shared.model.auth import AuthBody
from shared.model.catalogue import ASKED_TYPE_SCHEMA, type_problem
from shared.model.nearest import did_you_mean
from shared.settings import LONGEST_SCHEDULE


def _known_types(types: tuple[str, ...]) -> tuple[str, ...]:
    problems = [problem for name in types if (problem := type_problem(name))]
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(dict.fromkeys(types))


def _listed(types: Any) -> Any:
    """One type may stand without its list."""
    return (types,) if isinstance(types, str) else types


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}{did_you_mean(name, FORMATS)}")
    return name


def _small_enough(patterns: tuple[str, ...]) -> tuple[str, ...]:
    if sum(len(pattern.encode()) for pattern in patterns) > MOST_SITE_BYTES:
        raise ValueError(f"at most {MOST_SITE_BYTES} bytes of patterns are taken: `*` stands for many sites")
    return patterns


MOST_SITE_BYTES = 8 * 1024
"""Of the site patterns of an endpoint: every event is compared with all of them."""
Pattern = Annotated[str, Field(min_length=1, max_length=400)]
Sites = Annotated[tuple[Pattern, ...], Field(max_length=100), AfterValidator(_small_enough)]
TypeName = Annotated[str, Field(max_length=128, json_schema_extra=ASKED_TYPE_SCHEMA)]
Format = Annotated[WireFormat, AfterValidator(_known_format)]
Types = Annotated[
    tuple[TypeName, ...],
    Field(min_length=1, max_length=100),
    BeforeValidator(_listed),
    AfterValidator(_known_types),
]


MOST_RETRIES = 20


def _schedule(delays: tuple[float, ...]) -> tuple[float, ...]:
    if sum(delays) * (1 + JITTER) > LONGEST_SCHEDULE.total_seconds():
        raise ValueError("the delays add up to more than 7 days, which is as long as a queue message can wait")
    return delays


Delay = Annotated[float, Field(strict=True, ge=1, le=LONGEST_SCHEDULE.total_seconds())]
RetryDelays = Annotated[
    tuple[Delay, ...],
    Field(max_length=MOST_RETRIES, description="Seconds between attempts, instead of the deployment's RETRY_DELAYS"),
    AfterValidator(_schedule),
]
Ordered = Annotated[
    bool, Field(strict=True, description="Events of one subject, such as a site, are sent one after the other")
]
PerSecond = Annotated[
    float, Field(strict=True, ge=0.01, le=1000, description="Deliveries in a second, at most and from the start")
]


class _Flat:
    """Describes a union of models as one object with the fields of all: generators make a wrapper of a union."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        kinds = [handler.resolve_ref_schema(each) for each in handler(schema)["oneOf"]]
        fields = {name: field for kind in kinds for name, field in kind["properties"].items()}
        fields["type"] = {"type": "string", "enum": [kind["properties"]["type"]["const"] for kind in kinds]}
        fields["headers"] = {**fields["headers"], COMPONENT: "HeaderValues"}
        return {"type": "object", "additionalProperties": False, "properties": fields, "required": ["type"]}


class EndpointFields(Model):
    """What can be said of an endpoint besides its URL and its authentication; null counts as absent."""

    types: Types | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    format: Format | None = None
    settings: Annotated[FreeObject, Field(description="Of the wire format: a project, a board, a template")] | None = (
        None
    )
    min_severity: Severity | None = None
    tenants: Annotated[tuple[Pattern, ...], Field(max_length=100)] | None = None
    sites: Sites | None = None
    enabled: Annotated[bool, Field(strict=True)] | None = None
    retry_delays: RetryDelays | None = None
    max_per_second: PerSecond | None = None
    ordered: Ordered | None = None

    def given(self) -> dict[str, Any]:
        """The fields that an endpoint takes as they are."""
        names = EndpointFields.model_fields.keys() - {"settings"}
        found = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.retry_delays is not None:
            found["retry_delays"] = tuple(timedelta(seconds=delay) for delay in self.retry_delays)
        return found


class EndpointChanges(EndpointFields):
    model_config = example({"minSeverity": None, "enabled": True})

    auth: Annotated[FreeObject, Field(description="A merge patch of it; another `type` replaces it whole")] | None = (
        None
    )

    def changes(self) -> Changes:
        """As a JSON merge patch (RFC 7396): what is null goes back to its default."""
        cleared = {name for name in self.model_fields_set if getattr(self, name) is None}
        defaults = {name: Endpoint.model_fields[name].get_default() for name in cleared - {"settings", "auth"}}
        return Changes(
            self.given() | defaults,
            Whole({}) if "settings" in cleared else _patch(self.settings),
            Whole({"type": "none"}) if "auth" in cleared else _patch(self.auth),
        )


def _patch(value: JsonObject | None) -> Patch | None:
    return None if value is None else Patch(value)


class Registration(EndpointFields):
    model_config = example({"endpoint": EXAMPLE_URL, "types": ["permission.*", "storage.*"], "minSeverity": "high"})

    endpoint: str
    auth: Annotated[AuthBody, _Flat(), Component("Auth")] | None = None

    def changes(self) -> Changes:
        """A registration's `settings` and `auth` stand for themselves alone; absent, they stay."""
        auth = None if self.auth is None else Whole(self.auth.model_dump())
        return Changes(self.given(), None if self.settings is None else Whole(self.settings), auth)
