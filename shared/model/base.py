"""What the values of the model are made of: base classes, times and digests."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

_TIME_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)?")
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d|\d{4}-?W\d\d-?\d|\d{8})"  # a day
    r"([Tt ]([01]\d|2[0-3])(:?[0-5]\d(:?[0-5]\d([.,]\d+)?)?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?)?"
)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)
"""For integers: 5.0 is 5, as JSON Schema has it. Programs that know one kind of number write either. It stands last of
what annotates them: the published schema has no limit that comes after it."""


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
            read_iso(text)
            return text
    except ValueError:
        pass  # said below, with the shape that is right
    raise ValueError("must be a time such as 2026-11-22T10:00:00Z")


def _in_our_time(at: datetime) -> datetime:
    """Within the years that arithmetic and row keys can bear."""
    if not 2000 <= at.year <= 6000:
        raise ValueError("must be a time between the years 2000 and 6000")
    return at


def read_iso(text: str) -> datetime:
    """A time in ISO 8601, with its zone if it names one. Raises ValueError, also for what only Python reads: any sign
    between day and time, and offsets that no clock has."""
    if not _ISO.fullmatch(text):
        raise ValueError("no ISO 8601")
    return datetime.fromisoformat(text)


def read_time(text: str) -> datetime:
    """An ISO 8601 time; without a zone it is UTC. Raises ValueError, also outside the years 2000 to 6000."""
    at = read_iso(text)
    return _in_our_time(at if at.tzinfo else at.replace(tzinfo=UTC))


TimeStamp = Annotated[
    str, AfterValidator(_time_stamp), Field(json_schema_extra={"pattern": f"^{_TIME_STAMP.pattern}$"})
]


class Stored(Model):
    """A value as a row keeps it; members of a newer version are passed over."""

    model_config = ConfigDict(extra="ignore")


Instant = Annotated[AwareDatetime, AfterValidator(_in_our_time)]


def digest(text: str) -> str:
    """The first 128 bits of the SHA-256 of a text, in base32 (RFC 4648): 26 characters."""
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:16]).decode().rstrip("=")
