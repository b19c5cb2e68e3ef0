"""Which tables are dropped."""

from datetime import UTC, datetime, timedelta
from typing import cast

from shared.storage.clients import Services
from shared.storage.retention import drop_old_tables


class FakeServices:
    """Tables that are names only."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def table_names(self) -> list[str]:
        return list(self.names)

    def table(self, name: str) -> "FakeTable":
        return FakeTable(self, name)


class FakeTable:
    def __init__(self, services: FakeServices, name: str) -> None:
        self.services, self.name = services, name

    def drop(self) -> None:
        self.services.names.remove(self.name)


def test_a_table_whose_name_is_no_date_is_passed_over_and_stops_nothing() -> None:
    """Somebody's `events12345678` ended every run with a ValueError, so nothing was dropped any more."""
    others = ["events00000000", "events12345678", "failures20261332", "events2020010", "endpoints"]
    services = FakeServices(*others, "events20200106", "failures20200106")
    now = datetime(2026, 11, 22, tzinfo=UTC)
    dropped = drop_old_tables(cast(Services, services), now, timedelta(days=30))
    assert dropped == ["events20200106", "failures20200106"]
    assert services.names == others
