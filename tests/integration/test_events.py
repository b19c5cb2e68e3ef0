"""Accepted events: inserted once, found again."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.model import digest, to_ms
from shared.settings import Settings
from shared.storage.clients import Services
from shared.storage.events import EventRow, Events, Recipient
from shared.storage.weeks import week_start

from .conftest import Calls
from .scene import THURSDAY, an_event

MONDAY = week_start(THURSDAY) + timedelta(days=7)
DAY, RETENTION = timedelta(hours=24), timedelta(days=30)


def row(key: str = "key-1", at: datetime = THURSDAY, token: str = "mine", **event: Any) -> EventRow:  # noqa: S107
    return EventRow(
        event=an_event(key, **event),
        accepted_ms=to_ms(at),
        recipients=(Recipient(id="A" * 26, generation=1, format="point"),),
        token=token,
        fingerprint="fingerprint",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )


@pytest.fixture
def events(services: Services) -> Events:
    return Events(services, DAY, RETENTION)


@pytest.fixture
def elsewhere(settings: Settings) -> Events:
    """The same tables seen by another instance."""
    return Events(Services(settings), DAY, RETENTION)


def test_an_event_is_inserted_and_read_back(events: Events) -> None:
    assert events.insert(row()) == row()
    assert events.get(to_ms(THURSDAY), digest("key-1")) == row()
    assert events.find("key-1", THURSDAY) == row()


def test_of_two_inserts_the_first_stands_for_the_key(events: Events) -> None:
    events.insert(row(token="first"))
    assert events.insert(row(token="second", at=THURSDAY + timedelta(hours=1))).token == "first"


def test_ones_own_retried_insert_is_known_by_its_token(events: Events) -> None:
    mine = row(token="mine")
    events.insert(mine)
    assert events.insert(mine) == mine


def test_of_many_at_once_one_is_first_and_all_agree(events: Events, elsewhere: Events) -> None:
    start = threading.Barrier(6)

    def insert(number: int) -> str:
        start.wait()
        return (events, elsewhere)[number % 2].insert(row(token=f"token-{number}")).token

    with ThreadPoolExecutor(6) as threads:
        assert len(set(threads.map(insert, range(6)))) == 1


def test_keys_that_differ_in_case_are_different(events: Events) -> None:
    events.insert(row("Key", token="one"))
    assert events.insert(row("key", token="other")).token == "other"


@pytest.mark.parametrize("character", ["x", '"', "\\", "é", "\U0001f600"])
def test_an_event_of_256_kib_is_kept_whole_whatever_its_characters(events: Events, character: str) -> None:
    text = json.dumps({"a": ""}, ensure_ascii=False)
    count = (256 * 1024 - len(text)) // len(json.dumps(character, ensure_ascii=False).encode()[1:-1])
    content = json.dumps({"a": character * count}, ensure_ascii=False)
    large = row(content=content)
    large = large.model_copy(update={"recipients": large.recipients * 1000})
    events.insert(large)
    assert events.find("key-1", THURSDAY) == large


# Weeks


def test_a_new_week_makes_its_tables_on_first_use(events: Events, services: Services) -> None:
    events.insert(row())
    names = {table.name for table in services._tables_service.list_tables()}
    assert names == {"events20261116", "deliveries20261116", "failures20261116"}


@pytest.mark.parametrize(
    ("after", "duplicate"), [(timedelta(0), True), (DAY - timedelta(seconds=1), True), (DAY, False)]
)
def test_for_the_first_day_of_a_week_duplicates_of_the_week_before_are_found(
    events: Events, after: timedelta, duplicate: bool
) -> None:
    events.insert(row(token="last week", at=MONDAY - timedelta(milliseconds=1)))
    found = events.insert(row(token="this week", at=MONDAY + after))
    assert (found.token == "last week") is duplicate


def test_an_event_known_from_the_week_before_is_not_written_to_this_one(events: Events) -> None:
    events.insert(row(at=MONDAY - timedelta(hours=1)))
    events.insert(row(at=MONDAY + timedelta(hours=1), token="again"))
    assert events.get(to_ms(MONDAY), digest("key-1")) is None


def test_find_answers_with_the_newest_of_all_weeks_that_are_kept(events: Events) -> None:
    events.insert(row(token="old"))
    assert events.find("key-1", THURSDAY + timedelta(days=43)) == row(token="old")
    later = row(token="new", at=THURSDAY + timedelta(days=14))
    events.insert(later)
    assert events.find("key-1", THURSDAY + timedelta(days=15)) == later
    assert events.find("key-1", THURSDAY + timedelta(days=70)) is None
    assert events.find("other", THURSDAY) is None


def test_a_first_insert_inside_a_week_costs_one_call(events: Events, calls: Calls) -> None:
    events.insert(row("warm-up"))
    calls.clear()
    events.insert(row())
    assert calls == [("POST", "events20261116")]


def test_a_missing_week_before_is_asked_for_once(events: Events, calls: Calls) -> None:
    events.insert(row("warm-up", at=MONDAY))
    calls.clear()
    for number in range(3):
        events.insert(row(f"key-{number}", at=MONDAY + timedelta(minutes=number)))
    assert calls == [("POST", "events20261123")] * 3


def test_a_week_that_was_missing_once_is_searched_for_duplicates_again(events: Events, elsewhere: Events) -> None:
    assert events.get(to_ms(THURSDAY), digest("key-1")) is None  # before anybody made the table
    elsewhere.insert(row("another"))
    events.insert(row(token="last week", at=MONDAY - timedelta(hours=1)))
    assert events.insert(row(token="this week", at=MONDAY + timedelta(hours=1))).token == "last week"
