"""A delivery: one event on its way to one endpoint, with its attempts."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field

from shared.model.base import Instant, Stored
from shared.model.event import KEY_SHAPE, TRACEPARENT
from shared.model.validation import Shaped


class Unsendable(Exception):
    """An attempt cannot be made as things stand; the text says why and what to change, and holds no secret."""


Status = Literal["pending", "delivered", "failed", "cancelled"]
DELIVERY_ID = re.compile(r"([0-9A-F]{12})-([A-Z2-7]{26})-([A-Z2-7]{26})")
_SEQUENCE = Shaped("([A-Z2-7]{26})?", "must be the name of a sequence, or empty")
_LATEST_MS = 2**47 - 1  # in the year 6429; row keys hold no later time


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

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(milliseconds=self.duration_ms)


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
        match = DELIVERY_ID.fullmatch(text.upper())
        if match is None or int(match[1], 16) > _LATEST_MS:
            return None
        return cls(int(match[1], 16), match[2], match[3])


def _traceparent(text: str) -> str:
    if not TRACEPARENT.fullmatch(text):
        raise ValueError("must be a traceparent of W3C Trace Context")
    return text


class DeliveryTerms(Stored):
    """What is fixed of a delivery when its event is accepted; its messages and its row carry it alike.

    `event_accepted_ms` is the acceptance time of the event, which a replay's own differs from. `schedule_start` is the
    attempt from which the schedule counts: 1, or the first attempt after an admin asked for a retry. An alias is the
    name that rows and messages have had from the beginning.
    """

    type: Annotated[str, Field(max_length=128)]
    key: Annotated[str, KEY_SHAPE]
    apart: Annotated[str, Field(max_length=128)] = ""
    """The event's publisher, where another publisher's event had its key first."""
    format: Annotated[str, Field(max_length=64)]
    generation: int
    event_accepted_ms: Annotated[int, Field(ge=0, lt=2**47, alias="eventMs")]
    traceparent: Annotated[str, AfterValidator(_traceparent)]
    schedule_start: Annotated[int, Field(ge=1, le=1_000_000, alias="roundStart")] = 1
    sequence: Annotated[str, _SEQUENCE] = ""
    """The sequence that it is in, until it ends; empty where it waits for no other."""

    @property
    def terms(self) -> dict[str, Any]:
        """These fields, for the message of a row or the row of a message."""
        return {name: getattr(self, name) for name in DeliveryTerms.model_fields}


class Delivery(DeliveryTerms):
    """One event on its way to one endpoint, as its row keeps it."""

    status: Status
    attempts: tuple[Attempt, ...] = ()
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
