"""`/health`: whether the app can reach what it lives on."""

from collections.abc import Callable

from shared import __version__
from shared.api.call import Call, Reply
from shared.api.views import AppHealth, StorageState
from shared.storage.clients import StorageUnavailable


def get(call: Call) -> Reply:
    """200 when tables and queues answer, else 503; asks storage each time."""
    tables = _reach(call.app.options.ping)
    queues = _reach(call.app.queue.length)
    well = tables == queues == "reachable"
    storage = StorageState(tables=tables, queues=queues)
    state = AppHealth(status="healthy" if well else "unhealthy", version=__version__, storage=storage)
    return Reply(200 if well else 503, state.shown())


def _reach(ask: Callable[[], object]) -> str:
    try:
        ask()
    except StorageUnavailable as error:
        return str(error)
    return "reachable"
