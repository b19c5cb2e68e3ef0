"""What events say: one model for each shape of content, from which validation and published schemas come."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from shared.model.base import Whole, read_iso


def _date_time(text: str) -> str:
    try:
        read_iso(text)
    except ValueError:  # its text quotes the value
        raise ValueError("must be a time such as 2026-11-22T10:00:00Z") from None
    return text


Text = Annotated[str, Field(min_length=1)]
Bytes = Annotated[int, Field(ge=0, description="bytes", json_schema_extra={"format": "int64"}), Whole]
PositiveBytes = Annotated[int, Field(gt=0, description="bytes", json_schema_extra={"format": "int64"}), Whole]
DateTime = Annotated[str, AfterValidator(_date_time), Field(description="ISO 8601; without a zone it is UTC")]
SiteUrl = Annotated[str, Field(min_length=1, description="URL of the SharePoint site")]
ResourceType = Annotated[
    str,
    Field(min_length=1, examples=["MicrosoftTeams", "SharePointSiteCollection", "YammerCommunity", "M365Group"]),
]


class Content(BaseModel):
    """What an event says. Fields beyond these are allowed and pass through untouched."""

    model_config = ConfigDict(extra="allow", strict=True, alias_generator=to_camel)


class ProvisioningStarted(Content):
    name: Text
    type: ResourceType
    requested_on: DateTime
    requester_id: Text


class ProvisioningCompleted(Content):
    name: Text
    type: ResourceType
    url: Text
    microsoft_id: Text


class ProvisioningFailed(Content):
    name: Text
    type: ResourceType
    error: str
    correlation_id: Text


class Permission(Content):
    site_url: SiteUrl
    resource_path: Text
    permission_type: Text
    principal: Text
    access_level: Text


class StorageThreshold(Content):
    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["threshold"]}, {"required": ["thresholdBytes"]}]}
    )

    site_url: SiteUrl
    current_usage: Bytes
    quota: Bytes
    threshold: float = Field(default=None, gt=0, description="percent of the quota")  # type: ignore[assignment]
    threshold_bytes: PositiveBytes = Field(default=None)  # type: ignore[assignment]

    @model_validator(mode="after")
    def _names_a_threshold(self) -> Self:
        if len(self.model_fields_set & {"threshold", "threshold_bytes"}) != 1:
            raise ValueError("give threshold (percent) or thresholdBytes, one of them")
        return self


class DeliveryFailed(Content):
    delivery_id: Text
    endpoint_id: Text
    event_type: Text
    idempotency_key: Text
    attempts: Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"}), Whole]
    reason: Text
    count: Annotated[
        int,
        Field(
            ge=1,
            json_schema_extra={"format": "int32"},
            description="deliveries of the endpoint that failed since it was last told of; this is the newest",
        ),
        Whole,
    ]


class EndpointTrouble(Content):
    endpoint_id: Text
    reason: Text
