"""Retention: whole weeks are dropped; nothing is scanned."""

import re
from datetime import UTC, datetime, timedelta

from shared import logs
from shared.storage.clients import Services
from shared.storage.deleted_endpoints import DeletedEndpoints
from shared.storage.weeks import WEEK, oldest_kept

_DATED = re.compile(r"(?:events|deliveries|failures|counts|sharing)(\d{8})")


def drop_old_tables(services: Services, now: datetime, retention: timedelta) -> list[str]:
    """Drops the tables of weeks that ended longer than the retention period and its grace ago."""
    dropped = []
    for name in services.table_names():
        week = _week_of(name)
        if week is not None and week + WEEK < oldest_kept(now, retention):
            services.table(name).drop()
            logs.info("table.dropped", table=name)
            dropped.append(name)
    return dropped


def forget_names(deleted: DeletedEndpoints, now: datetime, retention: timedelta) -> int:
    """Forgets the names of endpoints that were deleted before anything that the logs still hold. Returns how many."""
    return deleted.forget(oldest_kept(now, retention) - WEEK)


def _week_of(name: str) -> datetime | None:
    """The Monday in a table's name; None for tables that are not ours."""
    match = _DATED.fullmatch(name)
    try:
        return datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC) if match else None
    except ValueError:
        return None
