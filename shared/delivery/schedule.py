"""What follows an attempt. Pure."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from shared.delivery.diagnosis import Diagnosis, Ended, Paused, Unacceptable
from shared.model.retry_after import LONGEST_RETRY_AFTER

JITTER = 0.1
"""The largest share of a delay that is added to it."""


@dataclass(frozen=True)
class Delivered:
    """Any 2xx (SPScan's webhook documentation: "only the status code matters")."""

    word: ClassVar = "delivered"


@dataclass(frozen=True)
class Gone:
    """410, or an answer that means the same: the receiver wants no more of these."""

    word: ClassVar = "gone"


@dataclass(frozen=True)
class Exhausted:
    """The last attempt of the schedule failed, or another is of no use."""

    word: ClassVar = "exhausted"


@dataclass(frozen=True)
class Retry:
    """Another attempt after this delay."""

    word: ClassVar = "retry"
    after: timedelta


Verdict = Delivered | Gone | Exhausted | Retry
"""What follows an attempt; `word` says it in the log."""


def decide(
    position: int,
    status: int | None,
    retry_after: timedelta | None,
    delays: Sequence[timedelta],
    meaning: Diagnosis | None = None,
    token: str = "",
) -> Verdict:
    """What follows the attempt at `position` of the schedule (1 is the first); `status` None is no answer at all.
    `meaning` is what the answer says for sure, `token` the attempt's own.

    A delay of the schedule has up to a tenth added to it, by the token, so that deliveries which failed together do not
    come back together and whoever decides again decides alike. `Retry-After` counts on 429 and 503 (RFC 9110, section
    10.2.3), only ever lengthens the delay, and at most to one hour.
    """
    if is_success(status):
        return Delivered()
    if status == 410 or isinstance(meaning, Ended):
        return Gone()
    if position > len(delays) or isinstance(meaning, Unacceptable):
        return Exhausted()
    delay = delays[position - 1] * (1 + JITTER * zlib.crc32(token.encode()) / 2**32)
    if status in (429, 503) and retry_after is not None:
        delay = max(delay, min(retry_after, LONGEST_RETRY_AFTER))
    if isinstance(meaning, Paused):
        delay = max(delay, LONGEST_RETRY_AFTER)
    return Retry(delay)


def asks_for_less(status: int | None, retry_after: timedelta | None) -> bool:
    """Whether the receiver is well and only asked to be sent less: 429, or 503 with `Retry-After`."""
    return status == 429 or (status == 503 and retry_after is not None)


def is_success(status: int | None) -> bool:
    """Any 2xx; None is no answer at all."""
    return status is not None and 200 <= status <= 299
