"""`/health`: whether the app can reach what it lives on.

It runs on the worker's loop: where storage hangs, calls that wait for it keep all of the worker's threads.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from shared import __version__, logs
from shared.api.http.call import Request, Response
from shared.api.http.operation import Returns, Tag, operation
from shared.api.http.view import View, example
from shared.api.warnings import WATCHED, warnings_of
from shared.app import App
from shared.settings import SettingsError
from shared.storage.clients import StorageUnavailable

REACHABLE = "reachable"
WITHIN = timedelta(seconds=4)
"""Who watches an app gives up after some seconds more, and learns nothing then."""
_THREADS = ThreadPoolExecutor(12, "health")
"""Enough for two answers at once. Storage that hangs keeps these threads, and no others."""
_WAITING = ThreadPoolExecutor(1, "health-waiting")
"""Answers are looked for one at a time."""
_CLOSED = "SECRETS_KEY does not open what is stored: put the key that it was written with back into the list"


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
async def get(request: Request) -> Response:
    """200 when tables and queues answer and what is stored can be read, else 503. Warnings and reasons are for anybody
    to read: they name no site and no error."""
    return await _look_at(request.app)


async def _look_at(app: App) -> Response:
    """Asks storage for everything at once, and waits for what answers in time."""
    services: dict[str, Future[Any]] = {
        "tables": _THREADS.submit(app.options.ping),
        "queues": _THREADS.submit(app.queue.raw.length, once=True),
    }
    rest: dict[str, Future[Any]] = {
        "endpoints": _THREADS.submit(app.endpoints.all),
        **{what: _THREADS.submit(ask, app) for what, ask in WATCHED.items()},
    }
    failed = await _failed(services, ends_at := time.monotonic() + WITHIN.total_seconds())
    failed |= await _failed(rest, 0 if failed else ends_at)
    storage = StorageState(tables=_state_of(failed.get("tables")), queues=_state_of(failed.get("queues")))
    closed = [str(error) for error in failed.values() if isinstance(error, SettingsError)]
    for meaning in closed:
        logs.error("settings.wrong", setting="SECRETS_KEY", meaning=meaning)
    if closed or not storage.tables == storage.queues == REACHABLE:
        unhealthy = UnhealthyApp(version=__version__, storage=storage, reason=_CLOSED if closed else None)
        return Response(503, unhealthy.shown())
    known = {what: None if what in failed else rest[what].result() for what in WATCHED}  # the tables answered
    warnings = warnings_of(app, known) or None
    return Response(200, AppHealth(version=__version__, storage=storage, warnings=warnings).shown())


async def _failed(asked: Mapping[str, Future[Any]], ends_at: float) -> dict[str, StorageUnavailable | SettingsError]:
    """Why questions have no answer, once all have one or the time has come (of `time.monotonic`)."""
    await _until_over(asked.values(), ends_at)
    return {what: error for what, each in asked.items() if (error := _error_of(each)) is not None}


async def _until_over(asked: Collection[Future[Any]], ends_at: float) -> None:
    left = max(0.0, ends_at - time.monotonic())
    await asyncio.get_running_loop().run_in_executor(_WAITING, wait, asked, left)


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
