"""Event, Endpoint, Delivery, Attempt, Tenant: the words of the design as values. No I/O."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
Status = Literal["pending", "delivered", "failed", "cancelled"]

IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_:-]{1,128}")
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00; ids of zeroes alone are invalid."""

_TIME_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?")
ENDPOINT_ID = re.compile(r"[A-Z2-7]{26}")
_DELIVERY_ID = re.compile(r"([0-9A-F]{12})-([A-Z2-7]{26})-([A-Z2-7]{26})")
_LATEST_MS = 2**47 - 1  # in the year 6429; row keys hold no later time


class Model(BaseModel):
    """A value with camelCase names in JSON; unknown names are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,  # a row that does not fit would put its secrets into the text
    )


def utc_text(at: datetime) -> str:
    """`2026-11-22T10:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_ms(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _time_stamp(text: str) -> str:
    """ISO 8601 as Syskit Point and .NET write it; kept as received, and read as UTC where it names no zone."""
    try:
        if _TIME_STAMP.fullmatch(text):
            datetime.fromisoformat(text)
            return text
    except ValueError:
        pass  # said below, with the shape that is right
    raise ValueError("not a time such as 2026-11-22T10:00:00Z")


def _in_our_time(at: datetime) -> datetime:
    """Within the years that arithmetic and row keys can bear."""
    if not 2000 <= at.year <= 6000:
        raise ValueError("not a time between the years 2000 and 6000")
    return at


def read_time(text: str) -> datetime:
    """An ISO 8601 time; without a zone it is UTC. Raises ValueError, also outside the years 2000 to 6000."""
    at = datetime.fromisoformat(text)
    return _in_our_time(at if at.tzinfo else at.replace(tzinfo=UTC))


TimeStamp = Annotated[
    str, AfterValidator(_time_stamp), Field(json_schema_extra={"pattern": f"^{_TIME_STAMP.pattern}$"})
]


class Stored(Model):
    """A value as a row keeps it; members of a newer version are passed over."""

    model_config = ConfigDict(extra="ignore")


Instant = Annotated[AwareDatetime, AfterValidator(_in_our_time)]


class Tenant(Stored):
    """The Microsoft 365 tenant that an event is about; `id` is the publisher's own name for it."""

    id: str
    display_name: str | None = None
    microsoft_tenant_id: str | None = None


class Event(Stored):
    """Something that happened in a tenant. `content` is compact JSON text and `time_stamp` text, both as received."""

    type: str
    content: str
    time_stamp: str
    key: str
    severity: Severity
    tenant: Tenant | None = None


class Health(Stored):
    """How deliveries to an endpoint fare; belongs to one generation of it."""

    generation: int
    first_failure_at: datetime | None = None
    last_success_at: datetime | None = None
    last_error: str | None = None
    exhausted: tuple[str, ...] = ()
    """Ids of the first few distinct deliveries exhausted in this failing time."""
    first_exhausted_at: datetime | None = None
    warned: bool = False
    disabled_at: datetime | None = None
    disabled_reason: str | None = None

    @property
    def state(self) -> Literal["healthy", "failing", "disabled"]:
        if self.disabled_reason is not None:
            return "disabled"
        return "failing" if self.first_failure_at is not None else "healthy"


class OldSecret(Stored):
    """A secret that was rotated away and still signs, beside the new one, until a time."""

    secret: str
    until: datetime


class Auth(Stored):
    """How deliveries prove themselves to a receiver; what another `type` would need is empty."""

    type: str
    headers: dict[str, str] = {}
    username: str = ""
    password: str = ""
    audience: str = ""


class Endpoint(Stored):
    """A registered receiver. `generation` tells one registration of a URL from the next after a deletion."""

    id: str
    url: str
    secret: str
    old_secrets: tuple[OldSecret, ...] = ()
    generation: int
    types: tuple[str, ...]
    owner: str = ""
    """The directory object that registered it first."""
    key: str | None = None
    """The owner's own name for it, where it subscribed by one."""
    turn: int = 0
    """Which subscription by that key this is; the highest one counts."""
    name: str | None = None
    format: str = "point"
    settings: dict[str, str] = {}
    """By wire format, as compact JSON: deliveries of an earlier format may still be on their way."""
    auth: Auth | None = None
    min_severity: Severity | None = None
    tenants: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    enabled: bool = True
    created_at: datetime
    updated_at: datetime
    health: Health

    def secrets_at(self, now: datetime) -> list[str]:
        """Those that sign, the current one first."""
        return [self.secret, *(old.secret for old in self.old_secrets if now < old.until)]

    @property
    def host(self) -> str:
        """All of the URL that may be logged: its path and query carry secrets."""
        return urlsplit(self.url).hostname or ""

    @property
    def receives(self) -> bool:
        return self.enabled and self.health.disabled_reason is None


class Attempt(Stored):
    """One POST of a delivery. Either `status` or `error` is given; `response` is the first 2 KiB of the answer.
    `token` marks the invocation that made it and is not shown."""

    number: int
    started_at: Instant
    duration_ms: Annotated[int, Field(ge=0, le=10**9)]
    status: int | None = None
    error: Annotated[str, Field(max_length=1000)] | None = None
    response: Annotated[str, Field(max_length=4096)] | None = None
    token: Annotated[str, Field(max_length=64)] = ""


class DeliveryId(NamedTuple):
    """A pure function of acceptance time, idempotency key and endpoint, from which table, partition and row follow.

    Written `019AB3C4D5E6-<26 letters of the event>-<26 letters of the endpoint>`.
    """

    accepted_ms: int
    event: str
    endpoint: str

    def __str__(self) -> str:
        return f"{self.accepted_ms:012X}-{self.event}-{self.endpoint}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None where the text is no delivery id."""
        match = _DELIVERY_ID.fullmatch(text.upper())
        if match is None or int(match[1], 16) > _LATEST_MS:
            return None
        return cls(int(match[1], 16), match[2], match[3])


class Delivery(Stored):
    """One event on its way to one endpoint, as its row keeps it.

    `event_ms` is the acceptance time of the event, which a replay's own differs from. `round_start` is the attempt
    from which the schedule counts: 1, or the first attempt after an admin asked for a retry.
    """

    type: str
    key: str
    format: str
    generation: int
    event_ms: int
    traceparent: str
    status: Status
    attempts: tuple[Attempt, ...] = ()
    round_start: int = 1
    next_attempt_at: datetime | None = None
    reason: str | None = None
    gone: bool = False
    erased: bool = False

    @property
    def last_number(self) -> int:
        """The number of the newest recorded attempt, 0 before the first."""
        return max((attempt.number for attempt in self.attempts), default=0)

    def holds(self, number: int, token: str) -> bool:
        """Whether this very invocation's attempt is the one recorded."""
        return any(attempt.number == number and attempt.token == token for attempt in self.attempts)


def digest(text: str) -> str:
    """The first 128 bits of the SHA-256 of a text, in base32 (RFC 4648): 26 characters."""
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:16]).decode().rstrip("=")


def endpoint_id(url: str) -> str:
    """The identity of an endpoint: of its URL, scheme and host lower-cased, all else byte for byte."""
    scheme, separator, rest = url.partition("://")
    end = next((at for at, character in enumerate(rest) if character in "/?#"), len(rest))
    return digest(scheme.lower() + separator + rest[:end].lower() + rest[end:])
