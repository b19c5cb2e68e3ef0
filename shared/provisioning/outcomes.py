"""What came of a step, and what an answer of Microsoft 365 means for one. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.m365.exchange import Answer
from shared.model import read_time

_PASSING = frozenset({0, 408, 429, 500, 502, 503, 504})
_PASSING_TEXTS = (
    "Failed to execute Templates backend request",
    "Failed to execute backend request",
    "Failed to execute MsGraph backend request",
    "one of its queried reference-property objects are not present",
    "Resource provisioning is in progress",
)
"""Microsoft's own troubles, whatever the status: of Teams' back end, and of a directory that has not been copied to
everywhere yet."""


@dataclass(frozen=True)
class Done:
    """The step is over, or with `again` a part of it. `changes` are fields of the row."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False


@dataclass(frozen=True)
class Wait:
    """Microsoft 365 is at work: look again after this."""

    after: timedelta
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Retry:
    """It came to nothing, and may later. `after` is what Microsoft 365 asks for. `did_nothing`: the call certainly had
    no effect, so nothing needs to be looked for."""

    reason: str
    after: timedelta | None = None
    did_nothing: bool = False


@dataclass(frozen=True)
class Fail:
    """It will not come to anything. `refused`: because the app itself may not."""

    error: str
    refused: bool = False


Outcome = Done | Wait | Retry | Fail


def is_passing(answer: Answer) -> bool:
    """Whether asking again may help."""
    return answer.status in _PASSING or any(text in answer.message for text in _PASSING_TEXTS)


def unmet(answer: Answer, permission: str, hint: str = "") -> Retry | Fail:
    """What an answer that is no success means. `permission` is the application permission that the call takes; `hint`
    says what else a refusal may come from."""
    if is_passing(answer):
        return Retry(told(answer), answer.retry_after, answer.unsent or answer.status == 429)
    if answer.status in (401, 403):
        also = f", or {hint}" if hint else ""
        grant = f"grant the app's managed identity the application permission {permission}{also} (docs/provisioning.md)"
        return Fail(f"{told(answer)}: {grant}; a grant may take hours to work", refused=True)
    return Fail(told(answer))


def told(answer: Answer) -> str:
    """An error as Microsoft words it, with what its support finds the request by."""
    return f"{answer.words} ({answer.request_id})" if answer.request_id else answer.words


def or_at_least(after: timedelta | None, otherwise: timedelta) -> timedelta:
    """What Microsoft 365 asks to wait, else this."""
    return otherwise if after is None else after


def is_as_new(answer: Answer, since: datetime) -> bool:
    """Whether what an answer tells of was made at this time or after; False where it does not say when."""
    try:
        return read_time(answer.text("createdDateTime") or "") >= since
    except ValueError:
        return False
