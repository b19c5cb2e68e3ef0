"""Which steps a workspace takes, and how a request's row changes with them. Pure."""

import enum
from datetime import datetime, timedelta

from shared.model.provisioning import WORDS, Kind
from shared.provisioning.outcomes import Done, Fail, Outcome, Retry, Wait
from shared.storage.workspaces import WorkspaceRequest

LEASE = timedelta(minutes=5)
"""For how long a worker holds a request after its last write. Longer than any call takes."""

CREATION_LIMIT = timedelta(minutes=60)
"""A request for which nothing was made by then has failed; so long any later step may take, too."""
SITE_LIMIT = timedelta(hours=24)
"""A group's site has been seen to take 16 hours."""

_FIRST_RETRY, _LONGEST_RETRY = timedelta(seconds=5), timedelta(minutes=5)
_LOOKS = (10, 30, 60, 300, 900)
"""Seconds between looks at what Microsoft 365 is making; the last one stays."""


class Step(enum.StrEnum):
    """Names as rows and the API have them."""

    START = "start"
    USERS = "users"
    CHECK = "check"
    CREATE = "create"
    TEAM = "team"
    OPERATION = "operation"
    READY = "ready"
    MEMBERS = "members"
    COMPLETE = "complete"
    FAIL = "fail"
    OVER = "over"


STEPS: dict[Kind, tuple[Step, ...]] = {
    "groups": (Step.START, Step.USERS, Step.CHECK, Step.CREATE, Step.READY, Step.MEMBERS, Step.COMPLETE),
    "teams": (Step.START, Step.USERS, Step.CHECK, Step.CREATE, Step.TEAM, Step.READY, Step.MEMBERS, Step.COMPLETE),
    "sites": (Step.START, Step.USERS, Step.CHECK, Step.CREATE, Step.READY, Step.MEMBERS, Step.COMPLETE),
    "yammer": (
        Step.START,
        Step.USERS,
        Step.CHECK,
        Step.CREATE,
        Step.OPERATION,
        Step.READY,
        Step.MEMBERS,
        Step.COMPLETE,
    ),
}
_PUBLISHING = (Step.START, Step.COMPLETE, Step.FAIL)


def leased(row: WorkspaceRequest, lease: str, now: datetime) -> WorkspaceRequest:
    """Held by the worker that made up this name."""
    return row.model_copy(update={"lease": lease, "lease_until": now + LEASE})


def is_held(row: WorkspaceRequest, now: datetime) -> bool:
    return row.lease_until is not None and now < row.lease_until


def intended(row: WorkspaceRequest, now: datetime) -> WorkspaceRequest:
    """About to make the step's outside call."""
    return row.model_copy(update={"intent_at": row.intent_at or now, "lease_until": now + LEASE})


def handed_over(row: WorkspaceRequest) -> WorkspaceRequest:
    """Let go of, for the message of the next turn."""
    return row.model_copy(update={"turn": row.turn + 1, "lease": "", "lease_until": None})


def after(row: WorkspaceRequest, outcome: Outcome, now: datetime, *, resumed: bool) -> WorkspaceRequest:
    """The row with what came of its step. `resumed`: an earlier try of it has no outcome. A call that certainly did
    nothing says nothing of that one."""
    step = Step(row.step)
    changes: dict[str, object] = {"updated_at": now, "lease_until": now + LEASE, "next_at": now}
    match outcome:
        case Done():
            changes |= {"intent_at": None, "tries": 0, "last_error": None, **outcome.changes}
            if not outcome.again:
                changes |= _into(row, _next(row.kind, step), now)
        case Fail():
            changes |= _failing(row, outcome.error, now)
        case Wait() | Retry() if now >= deadline(row) and step not in _PUBLISHING:
            changes |= _given_up(row, outcome, now)
        case Wait():
            at = now + outcome.after
            changes |= {"tries": row.tries + 1, "last_error": None, "next_at": at, **outcome.changes}
        case Retry():
            changes |= {"tries": row.tries + 1, "last_error": outcome.reason, "next_at": now + _pause(row, outcome)}
            if outcome.did_nothing and not resumed:
                changes["intent_at"] = None
    return row.model_copy(update=changes)


def deadline(row: WorkspaceRequest) -> datetime:
    """When the request's step is given up."""
    if row.made_at is None:
        return (row.asked_at or row.accepted_at) + CREATION_LIMIT
    return row.made_at + (SITE_LIMIT if row.step == Step.READY else CREATION_LIMIT)


def next_look(row: WorkspaceRequest) -> timedelta:
    """How long to wait before the next look at what is being made."""
    return timedelta(seconds=_LOOKS[min(row.tries, len(_LOOKS) - 1)])


def _next(kind: Kind, step: Step) -> Step:
    if step in (Step.COMPLETE, Step.FAIL):
        return Step.OVER
    steps = STEPS[kind]
    return steps[steps.index(step) + 1]


def _into(row: WorkspaceRequest, step: Step, now: datetime) -> dict[str, object]:
    changes: dict[str, object] = {"step": step, "status": "running", "looked_at": None}
    if step is Step.OPERATION:
        changes["asked_at"] = now
    if step is Step.COMPLETE:
        changes["decided_at"] = now
    if step is Step.OVER:
        changes |= {"status": "completed" if row.error is None else "failed", "lease": "", "lease_until": None}
    return changes


def _given_up(row: WorkspaceRequest, outcome: Wait | Retry, now: datetime) -> dict[str, object]:
    """At the deadline. Members are worth a warning only: the workspace is there."""
    why = outcome.reason if isinstance(outcome, Retry) else row.last_error or "Microsoft 365 was still at work"
    if row.step == Step.MEMBERS:
        warnings = (*row.warnings, f"not all owners and members could be added: {why}")
        return {"intent_at": None, "tries": 0, "warnings": warnings} | _into(row, Step.COMPLETE, now)
    hours = (now - (row.made_at or row.asked_at or row.accepted_at)) / timedelta(hours=1)
    unknown = row.step == Step.OPERATION or (row.step == Step.CREATE and row.intent_at is not None)
    perhaps = "; it may have been made all the same, so look before you ask again" if unknown else ""
    return _failing(row, f"given up after {hours:.1f} hours: {why}{perhaps}", now)


def _failing(row: WorkspaceRequest, error: str, now: datetime) -> dict[str, object]:
    """A failure never hides that something was made: who asks again would double it."""
    made = (
        f"; the {WORDS[row.kind].noun}'s {_thing(row)} {row.microsoft_id} was made and stays"
        if row.microsoft_id
        else ""
    )
    return {
        "step": Step.FAIL,
        "status": "running",
        "intent_at": None,
        "tries": 0,
        "error": error + made,
        "decided_at": now,
        "last_error": error,
    }


def _thing(row: WorkspaceRequest) -> str:
    return "site collection" if row.kind == "sites" else "group"


def _pause(row: WorkspaceRequest, outcome: Retry) -> timedelta:
    """What Microsoft 365 asks for; else twice as long each time, and spread by up to a quarter."""
    if outcome.after is not None:
        return outcome.after
    pause = min(_FIRST_RETRY * float(2 ** min(row.tries, 10)), _LONGEST_RETRY)
    return pause * (1 + int(row.id[:4], 16) / 0x3FFFF)
