"""The delivery log, by endpoint."""

import base64
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.model import Attempt, Delivery, DeliveryId, Status, digest, to_ms
from shared.storage.clients import Services, Written
from shared.storage.deliveries import Deliveries
from shared.storage.pages import Filters
from shared.storage.weeks import table_name

from .scene import THURSDAY

ENDPOINT, OTHER = digest("one"), digest("two")
WEEKS = [THURSDAY - timedelta(days=7 * number) for number in range(4)]
ALL = Filters()


@pytest.fixture
def deliveries(services: Services) -> Deliveries:
    """With the tables of four weeks, which publishing would have made."""
    for week in WEEKS:
        for prefix in ("deliveries", "failures"):
            services.table(table_name(prefix, to_ms(week))).create()
    return Deliveries(services, timedelta(days=30))


def an_id(at: datetime = THURSDAY, key: str = "key-1", endpoint: str = ENDPOINT) -> DeliveryId:
    return DeliveryId(to_ms(at), digest(key), endpoint)


def an_attempt(number: int = 1, **changes: Any) -> Attempt:
    values: dict[str, Any] = {"number": number, "started_at": THURSDAY, "duration_ms": 5, "status": 500, "token": "t"}
    return Attempt(**(values | changes))


def a_delivery(*attempts: Attempt, status: Status = "delivered", **changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "type": "custom.test",
        "key": "key-1",
        "format": "point",
        "generation": 1,
        "event_accepted_ms": to_ms(THURSDAY),
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "status": status,
        "attempts": attempts,
    }
    return Delivery(**(values | changes))


STATUSES: list[Status] = ["pending", "delivered", "failed", "cancelled"]


def fill(deliveries: Deliveries, times: Iterable[datetime], **changes: Any) -> list[DeliveryId]:
    """One delivery for each time; answers their ids, newest first."""
    ids = [an_id(at, f"key-{number}") for number, at in enumerate(times)]
    for each in ids:
        assert deliveries.insert(each, a_delivery(**changes)) is Written.DONE
    return sorted(ids, key=lambda each: -each.accepted_ms)


def pages(deliveries: Deliveries, top: int, filters: Filters = ALL, now: datetime = THURSDAY) -> list[list[DeliveryId]]:
    found, continuation = [], None
    while True:
        page = deliveries.log(ENDPOINT, filters, now, top, continuation)
        found.append([each for each, _ in page.items])
        continuation = page.continuation
        if continuation is None:
            return found


# Rows


def test_a_row_is_inserted_once_and_replaced_only_as_it_was_read(deliveries: Deliveries) -> None:
    assert deliveries.get(an_id()) is None
    assert deliveries.insert(an_id(), a_delivery(status="pending")) is Written.DONE
    assert deliveries.insert(an_id(), a_delivery()) is Written.CONFLICT
    row, etag = deliveries.get(an_id()) or pytest.fail("no row")
    assert row == a_delivery(status="pending")
    assert deliveries.replace(an_id(), a_delivery(status="failed"), etag) is Written.DONE
    assert deliveries.replace(an_id(), a_delivery(), etag) is Written.CONFLICT
    assert (deliveries.get(an_id()) or pytest.fail("no row")).value.status == "failed"


def test_a_row_that_is_gone_is_a_conflict_and_a_week_that_is_gone_no_table(deliveries: Deliveries) -> None:
    dropped = an_id(THURSDAY + timedelta(days=70))
    assert deliveries.replace(an_id(), a_delivery(), 'W/"etag"') is Written.CONFLICT
    assert deliveries.insert(dropped, a_delivery()) is Written.NO_TABLE
    assert deliveries.replace(dropped, a_delivery(), 'W/"etag"') is Written.NO_TABLE
    assert deliveries.get(dropped) is None


def test_everything_that_a_row_says_is_read_back(deliveries: Deliveries) -> None:
    attempts = (an_attempt(1, response="é\x00\U0001f600"), an_attempt(2, status=None, error="timed out"))
    row = a_delivery(*attempts, status="cancelled", reason="why", gone=True, schedule_start=2, next_attempt_at=THURSDAY)
    deliveries.insert(an_id(), row)
    assert (deliveries.get(an_id()) or pytest.fail("no row")).value == row


def test_a_long_list_of_attempts_is_trimmed_to_fit_with_the_first_and_newest_kept(deliveries: Deliveries) -> None:
    attempts = [an_attempt(number, status=None, error="e" * 500) for number in range(1, 201)]
    assert deliveries.insert(an_id(), a_delivery(*attempts, status="failed")) is Written.DONE
    row = (deliveries.get(an_id()) or pytest.fail("no row")).value
    numbers = [attempt.number for attempt in row.attempts]
    assert (numbers[0], numbers[-1], row.last_number) == (1, 200, 200)
    assert numbers == [1, *range(202 - len(numbers), 201)]
    assert 80 < len(numbers) < 120


def test_of_some_long_answers_the_oldest_go_first_and_every_attempt_stays(deliveries: Deliveries) -> None:
    attempts = [an_attempt(number, response="\x00" * 2048) for number in range(1, 13)]
    deliveries.insert(an_id(), a_delivery(*attempts))
    row = (deliveries.get(an_id()) or pytest.fail("no row")).value
    assert [attempt.number for attempt in row.attempts] == list(range(1, 13))
    kept = [attempt.response is not None for attempt in row.attempts]
    assert kept == sorted(kept)
    assert kept[-1]
    assert not kept[0]


# The log


def test_a_log_is_of_one_endpoint_newest_first_across_weeks(deliveries: Deliveries) -> None:
    ids = fill(deliveries, [week - timedelta(hours=hour) for week in WEEKS for hour in range(3)])
    deliveries.insert(an_id(endpoint=OTHER), a_delivery())
    page = deliveries.log(ENDPOINT, ALL, THURSDAY, 100)
    assert [each for each, _ in page.items] == ids
    assert page.continuation is None


@pytest.mark.parametrize("top", [1, 2, 5, 11, 12, 13])
def test_pages_together_are_the_whole_log(deliveries: Deliveries, top: int) -> None:
    ids = fill(deliveries, [week - timedelta(hours=hour) for week in WEEKS for hour in range(3)])
    found = pages(deliveries, top)
    assert [each for page in found for each in page] == ids
    assert all(len(page) == top for page in found[:-1])


def test_deliveries_accepted_in_the_same_millisecond_are_all_paged(deliveries: Deliveries) -> None:
    ids = set(fill(deliveries, [THURSDAY] * 5))
    found = pages(deliveries, 2)
    assert {each for page in found for each in page} == ids
    assert sum(len(page) for page in found) == 5


def test_a_next_page_is_the_same_whatever_arrives_meanwhile(deliveries: Deliveries) -> None:
    ids = fill(deliveries, [THURSDAY - timedelta(hours=hour) for hour in range(6)])
    first = deliveries.log(ENDPOINT, ALL, THURSDAY, 3)
    deliveries.insert(an_id(THURSDAY + timedelta(minutes=1), "new"), a_delivery())
    second = deliveries.log(ENDPOINT, ALL, THURSDAY + timedelta(minutes=2), 3, first.continuation)
    assert [each for each, _ in (*first.items, *second.items)] == ids


@pytest.mark.parametrize("wanted", STATUSES)
def test_a_log_is_narrowed_by_status(deliveries: Deliveries, wanted: Status) -> None:
    for number, status in enumerate((*STATUSES, STATUSES[1])):
        deliveries.insert(an_id(key=f"key-{number}"), a_delivery(status=status))
    found = deliveries.log(ENDPOINT, Filters(status=wanted), THURSDAY, 10).items
    assert [row.status for _, row in found] == [wanted] * (2 if wanted == "delivered" else 1)


def test_a_log_is_narrowed_by_type_with_quotes_taken_as_text(deliveries: Deliveries) -> None:
    hostile = "custom.x' or PartitionKey ne '"
    deliveries.insert(an_id(), a_delivery(type=hostile))
    deliveries.insert(an_id(key="other"), a_delivery())
    assert [row.type for _, row in deliveries.log(ENDPOINT, Filters(type=hostile), THURSDAY, 10).items] == [hostile]
    assert deliveries.log(ENDPOINT, Filters(type="custom.other"), THURSDAY, 10).items == []


def test_filters_and_pages_go_together(deliveries: Deliveries) -> None:
    for number in range(9):
        status: Status = "failed" if number % 3 == 0 else "delivered"
        deliveries.insert(an_id(THURSDAY - timedelta(hours=number), f"key-{number}"), a_delivery(status=status))
    found = pages(deliveries, 2, Filters(status="failed"))
    assert [[each.accepted_ms for each in page] for page in found] == [
        [to_ms(THURSDAY), to_ms(THURSDAY - timedelta(hours=3))],
        [to_ms(THURSDAY - timedelta(hours=6))],
    ]


def test_from_is_inclusive(deliveries: Deliveries) -> None:
    ids = fill(deliveries, [THURSDAY - timedelta(milliseconds=number) for number in range(3)])
    found = deliveries.log(ENDPOINT, Filters(since=THURSDAY - timedelta(milliseconds=1)), THURSDAY, 10).items
    assert [each for each, _ in found] == ids[:2]


def test_to_is_exclusive(deliveries: Deliveries) -> None:
    ids = fill(deliveries, [THURSDAY - timedelta(milliseconds=number) for number in range(3)])
    found = deliveries.log(ENDPOINT, Filters(until=THURSDAY - timedelta(milliseconds=1)), THURSDAY, 10).items
    assert [each for each, _ in found] == ids[2:]


def test_a_range_across_weeks_holds_what_lies_in_it(deliveries: Deliveries) -> None:
    ids = fill(deliveries, WEEKS)
    filters = Filters(since=WEEKS[2], until=WEEKS[0] - timedelta(seconds=1))
    assert [each for page in pages(deliveries, 1, filters) for each in page] == ids[1:3]
    assert pages(deliveries, 5, Filters(since=WEEKS[0], until=WEEKS[2])) == [[]]


def test_what_is_older_than_all_tables_is_not_looked_for(deliveries: Deliveries) -> None:
    fill(deliveries, WEEKS)
    assert pages(deliveries, 10, now=THURSDAY + timedelta(days=365)) == [[]]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "é",
        "bm90IGpzb24=",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(json.dumps("zz").encode()).decode(),
    ],
)
def test_a_continuation_that_is_not_ours_is_an_error(deliveries: Deliveries, token: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any of them is answered with 400)
        deliveries.log(ENDPOINT, ALL, THURSDAY, 10, token)
