"""What a tenant in which workspaces are made holds, how it behaves, and what it is asked and tells."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl

from pydantic import NonNegativeFloat, NonNegativeInt

from local.m365.tenant import JSON_NAMES


@dataclass
class Person:
    """A user of the directory."""

    __pydantic_config__: ClassVar[Any] = JSON_NAMES

    id: str
    name: str
    mail: str = ""
    guest: bool = False
    enabled: bool = True
    licensed: bool = True
    """For Microsoft Teams."""


@dataclass
class Group:
    id: str
    display_name: str
    alias: str
    unique_name: str
    owners: list[str]
    members: list[str]
    created_at: datetime
    is_team: bool = False
    deleted: bool = False


@dataclass
class Collection:
    """A site without a group."""

    id: str
    title: str
    alias: str
    created_at: datetime
    people: list[str] = field(default_factory=list)


@dataclass
class Community:
    id: str
    name: str
    group: str
    created_at: datetime


@dataclass
class Fault:
    """The next `times` requests of this method with `path` in their path get this status, or with `lost` no answer
    after they have had their effect. `message` and `code` are those of the error."""

    __pydantic_config__: ClassVar[Any] = JSON_NAMES

    path: str = ""
    method: str = ""
    times: NonNegativeInt = 1
    status: int = 503
    lost: bool = False
    code: str = "serviceNotAvailable"
    message: str = "The service is not available. Try again later."
    retry_after_seconds: NonNegativeInt | None = None


@dataclass
class Policy:
    """Names must begin and end so."""

    __pydantic_config__: ClassVar[Any] = JSON_NAMES

    prefix: str = ""
    suffix: str = ""


@dataclass
class Manners:
    """How long things take, and what is refused."""

    __pydantic_config__: ClassVar[Any] = JSON_NAMES

    replicated_after_seconds: NonNegativeFloat = 0
    """A new group answers 404 until then."""
    site_after_seconds: NonNegativeFloat = 0
    """From a group, or the create of a site, to its site."""
    operation_after_seconds: NonNegativeFloat = 0
    """From the create of a community to the end of its operation."""
    wait_seconds: NonNegativeInt | None = None
    """What answers to early looks say in Retry-After."""
    refused: frozenset[str] = frozenset()
    """Permissions that the app lacks."""
    policy: Policy = field(default_factory=Policy)
    operation_fails: str = ""
    """Why the next communities are not made."""
    site_status: int | None = None
    """What creates of sites say instead of the truth."""
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """A request as it came: `service` is the one that was asked."""

    service: Literal["graph", "sharepoint"]
    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Told:
    """An answer; `status` 0 is none at all."""

    status: int
    value: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def error(status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> Told:
    told = {"request-id": str(uuid.uuid5(uuid.NAMESPACE_OID, message)), **(headers or {})}
    return Told(status, {"error": {"code": code, "message": message}}, told)


def query_of(text: str) -> dict[str, str]:
    """The query of an address, decoded."""
    return dict(parse_qsl(text, keep_blank_values=True))
