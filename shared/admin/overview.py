"""How everything stands: what happened in each hour, what waits, and what needs somebody's hand."""

from dataclasses import dataclass
from datetime import datetime

from shared.app import App
from shared.delivery.queue_metrics import Waiting, waiting
from shared.model import Endpoint
from shared.storage.counts import HOUR, Hour
from shared.storage.sites import ScanState

MOST_ALERTS = 1000
"""Counted; more of them are more."""


@dataclass(frozen=True)
class Overview:
    """`hours` are in order, each with its start; `alerts` is at most MOST_ALERTS."""

    hours: list[tuple[datetime, Hour]]
    queues: list[Waiting]
    endpoints: list[Endpoint]
    alerts: int
    scan: ScanState


def overview(app: App, hours: int) -> Overview:
    """Of the last so many hours, this one included. Raises StorageUnavailable."""
    now = app.now()
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    starts = [this_hour - HOUR * back for back in reversed(range(hours))]
    counted = app.counts.hours(starts[0], now)
    return Overview(
        hours=[(start, counted.get(start, Hour())) for start in starts],
        queues=waiting(app),
        endpoints=sorted(app.endpoints.all(), key=lambda endpoint: (endpoint.created_at, endpoint.id)),
        alerts=app.alerts.count(now, MOST_ALERTS + 1),
        scan=app.sites.state(),
    )
