"""A long delivery log: pages at depth cost what the first one costs, and stay as they are while deliveries arrive."""

import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median

import pytest
from azure.data.tables import TableClient

from shared.model import Delivery, DeliveryId, digest, to_ms
from shared.settings import Settings
from shared.storage.clients import Services
from shared.storage.deliveries import Deliveries, delivery_entity
from shared.storage.pages import Filters, Page
from shared.storage.weeks import table_name

from .conftest import Calls
from .scene import THURSDAY

ENDPOINT, OTHER = digest("one"), digest("two")
ROWS, TOP = 4_000, 100
APART = timedelta(seconds=30)
"""ROWS of them are a day and a half, so that the log is of one week."""

ALL = Filters()
Log = Page[tuple[DeliveryId, Delivery]]


def a_row(number: int, endpoint: str = ENDPOINT) -> tuple[DeliveryId, Delivery]:
    """The `number`-th newest."""
    accepted_ms = to_ms(THURSDAY - number * APART)
    delivery = Delivery(
        type=f"custom.{number % 2}",
        key=f"key-{number}",
        format="point",
        generation=1,
        event_accepted_ms=accepted_ms,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        status="failed" if number % 10 == 0 else "delivered",
    )
    return DeliveryId(accepted_ms, digest(delivery.key), endpoint), delivery


def fill(settings: Settings, rows: int, endpoint: str = ENDPOINT) -> None:
    """Many rows at once: a hundred to a transaction."""
    name = table_name("deliveries", to_ms(THURSDAY))
    Services(settings).table(name).create()
    client = TableClient.from_connection_string(settings.storage_connection, name)
    for start in range(0, rows, 100):
        entities = [
            delivery_entity(endpoint, *a_row(number, endpoint)) for number in range(start, min(start + 100, rows))
        ]
        client.submit_transaction([("create", entity) for entity in entities])


@pytest.fixture(scope="module")
def long_log(make_settings: Callable[[], Settings]) -> Deliveries:
    settings = make_settings()
    fill(settings, ROWS)
    fill(settings, 300, OTHER)
    return Deliveries(Services(settings), timedelta(days=30))


def page(deliveries: Deliveries, continuation: str | None, filters: Filters = ALL) -> Log:
    return deliveries.log(ENDPOINT, filters, THURSDAY, TOP, continuation)


def all_pages(deliveries: Deliveries, filters: Filters = ALL) -> list[Log]:
    found = [page(deliveries, None, filters)]
    while found[-1].continuation:
        found.append(page(deliveries, found[-1].continuation, filters))
    return found


def keys(pages: list[Log]) -> list[str]:
    return [row.key for each in pages for _, row in each.items]


def test_all_pages_are_the_whole_log_newest_first(long_log: Deliveries) -> None:
    assert keys(all_pages(long_log)) == [f"key-{number}" for number in range(ROWS)]


def test_a_page_at_depth_is_as_fast_as_the_first(long_log: Deliveries) -> None:
    pages = all_pages(long_log)
    deep = pages[-3].continuation

    def seconds(continuation: str | None) -> float:
        began = time.perf_counter()
        assert len(page(long_log, continuation).items) == TOP
        return time.perf_counter() - began

    times = [(seconds(None), seconds(deep)) for _ in range(9)]
    first, last = (median(each) for each in zip(*times, strict=True))
    print(f"\na page of {TOP}: first {first * 1000:.0f} ms, after {ROWS - 2 * TOP} rows {last * 1000:.0f} ms")
    assert last < 2 * first + 0.02


def test_a_page_at_depth_is_one_request(long_log: Deliveries, calls: Calls) -> None:
    deep = all_pages(long_log)[-3].continuation
    calls.clear()
    assert page(long_log, deep).continuation
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("filters", "step", "rest"), [(Filters(status="failed"), 10, 0), (Filters(type="custom.1"), 2, 1)]
)
def test_filtered_pages_are_whole_too(long_log: Deliveries, filters: Filters, step: int, rest: int) -> None:
    assert keys(all_pages(long_log, filters)) == [f"key-{number}" for number in range(ROWS) if number % step == rest]


def test_a_time_in_the_depth_is_found_at_once(long_log: Deliveries, calls: Calls) -> None:
    filters = Filters(since=THURSDAY - 3_000 * APART, until=THURSDAY - 2_990 * APART)
    calls.clear()
    assert keys([page(long_log, None, filters)]) == [f"key-{number}" for number in range(2_991, 3_001)]
    assert len(calls) == 1


def test_pages_are_stable_while_deliveries_arrive(settings: Settings) -> None:
    fill(settings, 1_000)
    deliveries, arrived = Deliveries(Services(settings), timedelta(days=30)), 0
    found = [deliveries.log(ENDPOINT, Filters(), THURSDAY, TOP)]
    while found[-1].continuation:
        for _ in range(5):  # each newer than all before
            arrived += 1
            deliveries.insert(*a_row(-arrived))
        now = THURSDAY + arrived * APART
        found.append(deliveries.log(ENDPOINT, Filters(), now, TOP, found[-1].continuation))
    assert keys(found) == [f"key-{number}" for number in range(1_000)]
    assert arrived == 5 * (1_000 // TOP - 1)
    newest = deliveries.log(ENDPOINT, Filters(), THURSDAY + arrived * APART, 3).items
    assert [row.key for _, row in newest] == [f"key-{-number}" for number in range(arrived, arrived - 3, -1)]
