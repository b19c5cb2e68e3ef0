"""For how long a delivery may take, and when what may be on its way already is put again."""

from datetime import timedelta

from shared.app import App
from shared.model import Endpoint

REPEAT_DELAY = timedelta(seconds=120)
"""A message put again waits so long that the one it may repeat has been attempted and recorded."""


def longest_delivery(app: App, endpoint: Endpoint | None) -> timedelta:
    """For how long a delivery waits for its endpoint before it is given up: its schedule, and a while."""
    own = None if endpoint is None else endpoint.retry_delays
    delays = app.settings.retry_delays if own is None else own
    return sum(delays, timedelta()) + app.settings.breaker_grace
