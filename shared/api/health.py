"""`/health`: whether the app can reach what it lives on."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from shared import __version__, logs
from shared.api.http.call import Request, Response
from shared.api.http.operation import Returns, Tag, operation
from shared.api.http.view import View, example
from shared.app import App
from shared.model import utc_text
from shared.model.sharing import PollState
from shared.model.sharing import warnings_of as warnings_of_polls
from shared.settings import Settings, SettingsError
from shared.storage.clients import StorageUnavailable
from shared.storage.sites import ScanState

REACHABLE = "reachable"
WITHIN = timedelta(seconds=4)
"""Who watches an app gives up after some seconds more, and learns nothing then."""
_THREADS = ThreadPoolExecutor(10, "health")
"""Enough for two answers at once. Storage that hangs keeps these threads, and no others."""
_CLOSED = "SECRETS_KEY does not open what is stored: put the key that it was written with back into the list"

OLD_REPORT = timedelta(days=5)
"""Microsoft's usage report is usually two days old."""


class StorageState(View):
    tables: Annotated[str, Field(description="`reachable`, or what is wrong")]
    queues: Annotated[str, Field(description="`reachable`, or what is wrong")]


class _State(View):
    status: str
    version: str
    storage: StorageState


class AppHealth(_State):
    model_config = example(
        {
            "status": "healthy",
            "version": __version__,
            "storage": {"tables": "reachable", "queues": "reachable"},
        }
    )

    status: Literal["healthy"] = "healthy"
    warnings: Annotated[list[str], Field(description="What an admin should look at; no reason for 503")] | None = None


class UnhealthyApp(_State):
    model_config = example(
        {
            "status": "unhealthy",
            "version": __version__,
            "storage": {"tables": "reachable", "queues": "reading queue deliveries: storage cannot be reached"},
        }
    )

    status: Literal["unhealthy"] = "unhealthy"
    reason: Annotated[str, Field(description="What is wrong although storage is reachable")] | None = None


@operation(
    "Ask whether the app reaches its storage",
    tag=Tag.APP,
    answers={200: Returns("Healthy", AppHealth), 503: Returns("Unhealthy", UnhealthyApp)},
)
def get(request: Request) -> Response:
    """200 when tables and queues answer and what is stored can be read, else 503. Warnings and reasons are for anybody
    to read: they name no site and no error."""
    return _look_at(request.app)


def _look_at(app: App) -> Response:
    """Asks storage for everything at once, and waits for what answers in time."""
    services: dict[str, Future[Any]] = {
        "tables": _THREADS.submit(app.options.ping),
        "queues": _THREADS.submit(app.queue.raw.length, once=True),
    }
    rest: dict[str, Future[Any]] = {
        "endpoints": _THREADS.submit(app.endpoints.all),
        "scans": _THREADS.submit(app.sites.state),
        "polls": _THREADS.submit(poll_state, app),
    }
    failed = _failed(services, ends_at := time.monotonic() + WITHIN.total_seconds())
    failed |= _failed(rest, 0 if failed else ends_at)
    storage = StorageState(tables=_state_of(failed.get("tables")), queues=_state_of(failed.get("queues")))
    closed = [str(error) for error in failed.values() if isinstance(error, SettingsError)]
    for meaning in closed:
        logs.error("settings.wrong", setting="SECRETS_KEY", meaning=meaning)
    if closed or not storage.tables == storage.queues == REACHABLE:
        unhealthy = UnhealthyApp(version=__version__, storage=storage, reason=_CLOSED if closed else None)
        return Response(503, unhealthy.shown())
    scans, polls = (None if what in failed else rest[what].result() for what in ("scans", "polls"))  # tables answered
    warnings = warnings_of(app, scans, polls) or None
    return Response(200, AppHealth(version=__version__, storage=storage, warnings=warnings).shown())


def _failed(asked: Mapping[str, Future[Any]], ends_at: float) -> dict[str, StorageUnavailable | SettingsError]:
    """Why questions have no answer, once all have one or the time has come (of `time.monotonic`)."""
    wait(asked.values(), max(0.0, ends_at - time.monotonic()))
    return {what: error for what, each in asked.items() if (error := _error_of(each)) is not None}


def _error_of(asked: Future[Any]) -> StorageUnavailable | SettingsError | None:
    """Why a question has no answer: storage, or a key that does not open what is stored. Raises all else."""
    if asked.cancel() or not asked.done():  # where earlier questions keep all threads, it has not begun
        return StorageUnavailable(f"no answer within {WITHIN.total_seconds():g} s")
    error = asked.exception()
    if error is None or isinstance(error, StorageUnavailable | SettingsError):
        return error
    raise error


def _state_of(error: Exception | None) -> str:
    return str(error) if isinstance(error, StorageUnavailable) else REACHABLE


def poll_state(app: App) -> PollState | None:
    """How polling of the audit log goes; None where it is off, or has not begun. Raises StorageUnavailable."""
    stored = app.sharing.state() if app.settings.sharing_poll_schedule else None
    return None if stored is None else stored.value


def warnings_of(app: App, scans: ScanState | None, polls: PollState | None) -> list[str]:
    """What an admin should look at; without what scans or polls left behind where it is not known."""
    return [*_disabled(app.settings), *_of_scans(app, scans), *_of_polls(app, polls)]


def _disabled(settings: Settings) -> list[str]:
    paused = {
        "dispatch": "deliveries are paused: events are accepted, and wait",
        "scan_storage": "no storage is scanned",
        "poll_sharing": "no sharing is read",
    }
    return [
        f"{paused.get(name, f'the function {name} does not run')} (AzureWebJobs.{name}.Disabled)"
        for name in sorted(settings.disabled_functions)
    ]


def _of_scans(app: App, state: ScanState | None) -> list[str]:
    """What is odd about the storage scans."""
    found = []
    if app.settings.scan_schedule_problem:
        found.append(f"no storage is scanned: STORAGE_SCAN_SCHEDULE {app.settings.scan_schedule_problem}")
    if state is None:
        return found
    if state.has_failed and state.last_failure_at is not None:
        at = utc_text(state.last_failure_at)
        found.append(f"the storage scan failed at {at}: see storage.scan_failed in the log")
    if state.names_concealed:
        found.append("the tenant's usage reports conceal site names, so no storage threshold is watched")
    if state.report_date is not None and app.now().date() - state.report_date > OLD_REPORT:
        found.append(f"Microsoft's usage report is of {state.report_date}: storage is watched by figures that old")
    return found


def _of_polls(app: App, state: PollState | None) -> list[str]:
    """What is odd about polling the audit log; nothing while that is off."""
    if not app.settings.sharing_poll_schedule:
        return []
    if app.settings.sharing_schedule_problem:
        return [f"no sharing is read: SHARING_POLL_SCHEDULE {app.settings.sharing_schedule_problem}"]
    return [] if state is None else warnings_of_polls(state, app.now())
