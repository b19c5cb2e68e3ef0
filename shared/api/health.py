"""`/health`: whether the app can reach what it lives on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from shared import __version__
from shared.api.http.call import Request, Response
from shared.api.http.operation import Returns, Tag, operation
from shared.api.http.view import View, example
from shared.app import App
from shared.model import utc_text
from shared.storage.clients import StorageUnavailable

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


@operation(
    "Ask whether the app reaches its storage",
    tag=Tag.APP,
    answers={200: Returns("Healthy", AppHealth), 503: Returns("Unhealthy", UnhealthyApp)},
)
def get(request: Request) -> Response:
    """200 when tables and queues answer, else 503; asks storage each time. Warnings are for anybody to read: they name
    no site and no error."""
    tables = _reach(request.app.options.ping)
    queues = _reach(request.app.queue.raw.length)
    storage = StorageState(tables=tables, queues=queues)
    if not tables == queues == "reachable":
        return Response(503, UnhealthyApp(version=__version__, storage=storage).shown())
    warnings = _warnings(request.app) or None
    return Response(200, AppHealth(version=__version__, storage=storage, warnings=warnings).shown())


def _reach(ask: Callable[[], object]) -> str:
    try:
        ask()
    except StorageUnavailable as error:
        return str(error)
    return "reachable"


def _warnings(app: App) -> list[str]:
    """What is odd about the storage scans."""
    found = []
    if app.settings.scan_schedule_problem:
        found.append(f"no storage is scanned: STORAGE_SCAN_SCHEDULE {app.settings.scan_schedule_problem}")
    try:
        state = app.sites.state()
    except StorageUnavailable:
        return found  # the tables answered a moment ago
    if state.has_failed and state.last_failure_at is not None:
        at = utc_text(state.last_failure_at)
        found.append(f"the storage scan failed at {at}: see storage.scan_failed in the log")
    if state.names_concealed:
        found.append("the tenant's usage reports conceal site names, so no storage threshold is watched")
    if state.report_date is not None and app.now().date() - state.report_date > OLD_REPORT:
        found.append(f"Microsoft's usage report is of {state.report_date}: storage is watched by figures that old")
    return found
