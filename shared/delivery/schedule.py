"""What follows an attempt. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.delivery.diagnosis import Diagnosis, Ended, Paused, Unacceptable
from shared.model.retry_after import LONGEST_RETRY_AFTER


@dataclass(frozen=True)
class Delivered:
    """Any 2xx (SPScan's webhook documentation: "only the status code matters")."""


@dataclass(frozen=True)
class Gone:
    """410, or an answer that means the same: the receiver wants no more of these."""


@dataclass(frozen=True)
class Exhausted:
    """The last attempt of the schedule failed, or another is of no use."""


@dataclass(frozen=True)
class Retry:
    """Another attempt after this delay."""

    after: timedelta


def decide(
    position: int,
    status: int | None,
    retry_after: timedelta | None,
    delays: Sequence[timedelta],
    meaning: Diagnosis | None = None,
) -> Delivered | Gone | Exhausted | Retry:
    """What follows the attempt at `position` of the schedule (1 is the first); `status` None is no answer at all.
    `meaning` is what the answer says for sure.

    `Retry-After` (RFC 9110, section 10.2.3) counts on 429 and 503. It only lengthens the delay, to an hour at most.
    """
    if is_success(status):
        return Delivered()
    if status == 410 or isinstance(meaning, Ended):
        return Gone()
    if position > len(delays) or isinstance(meaning, Unacceptable):
        return Exhausted()
    delay = delays[position - 1]
    if status in (429, 503) and retry_after is not None:
        delay = max(delay, min(retry_after, LONGEST_RETRY_AFTER))
    if isinstance(meaning, Paused):
        delay = max(delay, LONGEST_RETRY_AFTER)
    return Retry(delay)


def is_success(status: int | None) -> bool:
    """Any 2xx; None is no answer at all."""
    return status is not None and 200 <= status <= 299
