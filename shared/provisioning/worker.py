"""Queue `provisioning`: one message drives one request, as far as it comes without waiting.

A worker holds the request by a lease in its row, and writes the row before each outside call and after it. Each write
is on condition that the row is what the worker knows; who finds another one stops, since somebody else has taken over.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from shared import logs
from shared.app import App
from shared.model import digest
from shared.model.provisioning import Kind
from shared.provisioning import communities, events, groups, microsoft, sites, teams
from shared.provisioning.microsoft import Ask, Microsoft
from shared.provisioning.outcomes import Done, Fail, Outcome, Retry, Wait
from shared.provisioning.steps import Step, after, handed_over, intended, is_held, leased
from shared.provisioning.users import find_users
from shared.storage.clients import StorageUnavailable, Written
from shared.storage.workspaces import (
    Drive,
    MalformedDrive,
    WorkspaceRequest,
    decode,
    delay_until,
    drive,
    encode,
)

RUN_LIMIT = timedelta(seconds=60)
"""After that a run begins no step: the next message goes on."""
CALLS_LIMIT = timedelta(seconds=120)
AFTER_POISON = timedelta(minutes=5)

_WORKERS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="provision")
"""Of their own: the host starts far more messages at once than the API should wait for."""

Connect = Callable[[App, WorkspaceRequest, ExitStack], Microsoft]


@dataclass(frozen=True)
class _Take:
    """Work on the request as it stands."""


@dataclass(frozen=True)
class _PutAgain:
    """Not now: the request's present turn is due after this."""

    after: timedelta
    insists: bool


async def provision(app: App, body: bytes, dequeue_count: int) -> None:
    """Handles one message. Raises StorageUnavailable: the message then comes back."""
    await asyncio.get_running_loop().run_in_executor(_WORKERS, advance, app, body, dequeue_count)


async def poison(app: App, body: bytes) -> None:
    """A message that ended in the poison queue: its request goes on later, until its deadline fails it."""
    await asyncio.get_running_loop().run_in_executor(_WORKERS, revive, app, body)


def revive(app: App, body: bytes) -> None:
    row = _row_of(app, body)
    if row is None or row.is_over:
        return
    logs.error(
        "provisioning.interrupted",
        requestId=row.id,
        workspace=row.kind,
        step=row.step,
        nextInSeconds=AFTER_POISON.seconds,
    )
    app.provisioning.put(encode(drive(row, insists=True)), AFTER_POISON)


def advance(app: App, body: bytes, dequeue_count: int, connect: Connect | None = None) -> None:
    """Works a message off."""
    row = _row_of(app, body)
    while row is not None:
        match _what_to_do(app, row, decode(body), dequeue_count > 1):
            case _PutAgain(wait, insists):
                app.provisioning.put(encode(drive(row, insists=insists)), wait)
                return
            case _Take():
                held = _write(app, row, leased(row, secrets.token_hex(8), app.now()))
                if held is not None:
                    with ExitStack() as closing:
                        _run(app, held, (connect or _connect)(app, held, closing))
                    return
                stored = app.workspaces.get(row.id)
                row = None if stored is None else stored.value
            case None:
                return


def _what_to_do(app: App, row: WorkspaceRequest, asked: Drive, redelivered: bool) -> _Take | _PutAgain | None:
    """None: nothing, this message is a copy. One of an earlier turn that may be the last there is, because whoever
    worked it off did not come to put the next, is put once more."""
    now, insists = app.now(), redelivered or asked.insists
    if row.is_over:
        return None
    if asked.turn < row.turn:
        return _PutAgain(delay_until(row.next_at, now), insists=False) if insists else None
    if is_held(row, now) and row.lease_until is not None:
        return _PutAgain(delay_until(row.lease_until, now) + timedelta(seconds=1), insists=True)
    if row.next_at > now:
        return _PutAgain(delay_until(row.next_at, now), insists)
    return _Take()


def _run(app: App, row: WorkspaceRequest, to: Microsoft) -> None:
    ends_at = app.seconds() + RUN_LIMIT.total_seconds()
    current: WorkspaceRequest | None = row
    while current is not None and not current.is_over:
        if current.next_at > app.now() or app.seconds() >= ends_at:
            current = _write(app, current, handed_over(current))
            if current is not None:
                app.provisioning.put(encode(drive(current)), delay_until(current.next_at, app.now()))
            return
        current = _take_step(app, current, to)


def _take_step(app: App, row: WorkspaceRequest, to: Microsoft) -> WorkspaceRequest | None:
    """The row with the step's outcome; None where somebody else has the request."""
    resumed = row.intent_at is not None
    about_to = _write(app, row, intended(row, app.now()))
    if about_to is None:
        return None
    outcome = _act_in_any_case(app, about_to, Ask(to, app.now()), resumed)
    written = _write(app, about_to, after(about_to, outcome, app.now(), resumed=resumed))
    if written is not None:
        _log(app, about_to, outcome, written)
    return written


def _act_in_any_case(app: App, row: WorkspaceRequest, ask: Ask, resumed: bool) -> Outcome:
    """A defect, too, is tried again until the request's deadline: what was accepted ends in an event. Raises
    StorageUnavailable."""
    try:
        return _act(app, row, ask, resumed)
    except StorageUnavailable:
        raise
    except Exception as error:
        kind = type(error).__name__
        logs.error("provisioning.unexpected", requestId=row.id, workspace=row.kind, step=row.step, error=kind)
        return Retry(f"a defect of this app ({kind}): see provisioning.unexpected in its log")


def _act(app: App, row: WorkspaceRequest, ask: Ask, resumed: bool) -> Outcome:
    match row.step:
        case Step.START:
            events.publish_started(app, row)
            return Done()
        case Step.USERS:
            return find_users(ask, row)
        case Step.CHECK:
            return _hold_name(app, row) or _CHECKS[row.kind](ask, row)
        case Step.CREATE:
            return _CREATES[row.kind](ask, row, resumed)
        case Step.TEAM:
            return teams.make_team(ask, row, resumed)
        case Step.OPERATION:
            return communities.follow_operation(ask, row)
        case Step.READY:
            return sites.wait_until_ready(ask, row) if row.kind == "sites" else groups.wait_for_site(ask, row)
        case Step.MEMBERS:
            return sites.add_people(ask, row) if row.kind == "sites" else groups.add_people(ask, row)
        case Step.COMPLETE:
            events.publish_completed(app, row)
            return Done()
        case Step.FAIL:
            events.publish_failed(app, row)
            return Done()
    raise ValueError(f"no step {row.step}: a newer version of the app wrote this request")


_CHECKS: dict[Kind, Callable[[Ask, WorkspaceRequest], Outcome]] = {
    "teams": groups.check,
    "groups": groups.check,
    "sites": sites.check,
    "yammer": communities.check,
}
_CREATES: dict[Kind, Callable[[Ask, WorkspaceRequest, bool], Outcome]] = {
    "teams": groups.create,
    "groups": groups.create,
    "sites": sites.create,
    "yammer": communities.create,
}


def _hold_name(app: App, row: WorkspaceRequest) -> Fail | None:
    """Two requests for one address at the same time could each take the other's site for its own."""
    name = f"address:{row.alias.lower()}" if row.alias else f"name:{digest(row.display_name.casefold())}"
    other = app.workspaces.hold_name(name, row.id)
    if other is None:
        return None
    field = "desiredUrl" if row.alias else "displayName"
    return Fail(f"the request {other} is making a workspace of this name: choose another {field}")


def _write(app: App, known: WorkspaceRequest, wanted: WorkspaceRequest) -> WorkspaceRequest | None:
    """Changes the row that this worker knows; None where it is another by now. A write that storage had taken although
    it seemed to fail is found as the wanted row."""
    while True:
        stored = app.workspaces.get(known.id)
        if stored is None:
            return None
        if stored.value == wanted:
            return wanted
        if stored.value != known:
            return None
        if app.workspaces.replace(known.id, wanted, stored.etag) is Written.DONE:
            return wanted


def _row_of(app: App, body: bytes) -> WorkspaceRequest | None:
    try:
        asked = decode(body)
    except MalformedDrive as error:
        logs.error("provisioning.malformed", reason=str(error), bytes=len(body))
        return None
    stored = app.workspaces.get(asked.request)
    if stored is None:
        logs.warning("provisioning.unknown", requestId=asked.request)
        return None
    return stored.value


def _connect(app: App, row: WorkspaceRequest, closing: ExitStack) -> Microsoft:
    return microsoft.connect(app.settings, row.id, CALLS_LIMIT, closing)


def _log(app: App, before: WorkspaceRequest, outcome: Outcome, row: WorkspaceRequest) -> None:
    """One line a step; one more when the request is decided or over."""
    said = {Done: "done", Wait: "waits", Retry: "retries", Fail: "failed"}[type(outcome)]
    reason = outcome.reason if isinstance(outcome, Retry) else outcome.error if isinstance(outcome, Fail) else None
    logs.info(
        "provisioning.step",
        requestId=row.id,
        workspace=row.kind,
        step=before.step,
        outcome=said,
        error=reason,
        tries=row.tries or None,
        nextInSeconds=round((row.next_at - row.updated_at).total_seconds(), 1) or None,
    )
    if isinstance(outcome, Fail) and outcome.refused:
        app.workspaces.write_state(app.workspaces.state().model_copy(update={"refused_at": app.now()}))
    if row.is_over:
        _log_end(app, row)


def _log_end(app: App, row: WorkspaceRequest) -> None:
    seconds = round((row.updated_at - row.accepted_at).total_seconds(), 1)
    if row.status == "failed":
        logs.error(
            "provisioning.failed",
            requestId=row.id,
            workspace=row.kind,
            error=row.error,
            microsoftId=row.microsoft_id,
            seconds=seconds,
        )
        return
    logs.info(
        "provisioning.completed",
        requestId=row.id,
        workspace=row.kind,
        microsoftId=row.microsoft_id,
        warnings=len(row.warnings),
        seconds=seconds,
    )
    if app.workspaces.state().is_refused:
        app.workspaces.write_state(app.workspaces.state().model_copy(update={"completed_at": app.now()}))
