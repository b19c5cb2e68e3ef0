"""The alert log, across endpoints."""

from datetime import timedelta

import pytest

from shared.model import digest, to_ms
from shared.storage.alerts import Alerts, Malformed
from shared.storage.clients import Services, Written
from shared.storage.weeks import table_name

from .scene import THURSDAY
from .test_deliveries import ALL, OTHER, WEEKS, a_delivery, an_id


@pytest.fixture
def alerts(services: Services) -> Alerts:
    """With the tables of four weeks, which publishing would have made."""
    for week in WEEKS:
        services.table(table_name("failures", to_ms(week))).create()
    return Alerts(services, timedelta(days=30))


def test_a_week_that_is_gone_is_no_table(alerts: Alerts) -> None:
    assert alerts.write(an_id(THURSDAY + timedelta(days=70)), a_delivery()) is Written.NO_TABLE


def test_the_alert_log_has_one_line_a_delivery_newest_first(alerts: Alerts) -> None:
    ids = [an_id(WEEKS[1]), an_id(THURSDAY, endpoint=OTHER), an_id(THURSDAY - timedelta(hours=1))]
    for each in ids:
        for reason in ("first", "renewed"):
            alerts.write(each, a_delivery(status="failed", reason=reason))
    found = alerts.log(ALL, THURSDAY, 10).items
    assert [line[0] for line in found if not isinstance(line, Malformed)] == [ids[1], ids[2], ids[0]]
    assert {line[1].reason for line in found if not isinstance(line, Malformed)} == {"renewed"}


def test_a_line_that_is_not_failed_any_more_is_not_listed(alerts: Alerts) -> None:
    alerts.write(an_id(), a_delivery(status="failed"))
    alerts.write(an_id(), a_delivery(status="delivered"))
    assert alerts.log(ALL, THURSDAY, 10).items == []


def test_a_malformed_line_stands_among_the_others_and_is_found_by_its_id(alerts: Alerts) -> None:
    alerts.write(an_id(), a_delivery(status="failed"))
    line_id = alerts.write_malformed(THURSDAY + timedelta(minutes=1), digest("body"), b"body \xff", "unreadable")
    page = alerts.log(ALL, THURSDAY + timedelta(minutes=2), 1)
    assert page.items == [Malformed(id=line_id, reason="unreadable", message="body \ufffd")]
    assert page.continuation
    assert alerts.malformed(line_id) == page.items[0]
    rest = alerts.log(ALL, THURSDAY + timedelta(minutes=2), 1, page.continuation)
    assert [line[0] for line in rest.items if not isinstance(line, Malformed)] == [an_id()]


@pytest.mark.parametrize("line_id", ["", "x", str(an_id()), f"0{'F' * 11}-{'A' * 26}", f"0{'0' * 11}-{'A' * 26}"])
def test_what_is_no_malformed_line_is_none(alerts: Alerts, line_id: str) -> None:
    alerts.write(an_id(), a_delivery(status="failed"))
    assert alerts.malformed(line_id) is None


def test_a_malformed_message_is_kept_even_before_the_week_has_tables(services: Services) -> None:
    alerts = Alerts(services, timedelta(days=30))
    line_id = alerts.write_malformed(THURSDAY, digest("x"), b"x" * 65_000, "unreadable")
    line = alerts.malformed(line_id)
    assert line is not None
    assert len(line.message) == 65_000
