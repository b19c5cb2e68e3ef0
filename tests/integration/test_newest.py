"""The newest events and deliveries through their handlers."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.api import newest
from shared.api.http.operation import Handler
from shared.api.newest import MOST_READ
from shared.model import Delivery, DeliveryId, Status, digest, to_ms, utc_text
from shared.storage.rows import Versioned

from .api import Api
from .scene import BUSY, THURSDAY, an_event

Json = dict[str, Any]
A_MINUTE = timedelta(minutes=1)
BOTH = pytest.mark.parametrize("handler", [newest.list_events, newest.list_deliveries])


def noted(api: Api, number: int, status: Status | None = "delivered", name: str = "custom.a") -> DeliveryId:
    """A delivery that was attempted so many minutes ago; without a status there is no row of it (any more)."""
    at = THURSDAY - number * A_MINUTE
    delivery_id = DeliveryId(to_ms(at), digest(f"key-{number}"), digest(f"endpoint-{number % 2}"))
    if status:
        row = Delivery(
            type=name,
            key=f"key-{number}",
            format="point",
            generation=1,
            event_accepted_ms=delivery_id.accepted_ms,
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            status=status,
        )
        api.scene.app.deliveries.insert(delivery_id, row)
    api.scene.app.counts.came(at, delivery_id, "delivered")
    return delivery_id


@pytest.fixture
def log(api: Api) -> Api:
    """With a week's table, as publishing makes it."""
    api.scene.register()
    api.scene.publish(an_event("first"))
    api.scene.clock.move(A_MINUTE)
    return api


def pages(api: Api, handler: Handler, **params: str) -> list[list[Json]]:
    """All of them, each asked for a minute after the one before."""
    body = api(handler, **params).body
    found = [body["value"]]
    while "continuation" in body:
        api.scene.clock.move(A_MINUTE)
        body = api(handler, **params, continuation=body["continuation"]).body
        found.append(body["value"])
    return found


def keys(listed: list[list[Json]]) -> list[list[str]]:
    return [[each["idempotencyKey"] for each in page] for page in listed]


def test_newest_events_their_filters_and_pages(api: Api) -> None:
    api.scene.register()
    for key in ("one", "two", "three"):
        api.scene.publish(an_event(key))
        api.scene.clock.move(A_MINUTE)
    now: datetime = api.scene.clock.now
    assert keys(pages(api, newest.list_events)) == [["three", "two", "one"]]
    assert keys(pages(api, newest.list_events, top="2")) == [["three", "two"], ["one"]]
    assert keys(pages(api, newest.list_events, to=utc_text(now - A_MINUTE), top="1")) == [["two"], ["one"]]
    assert keys(pages(api, newest.list_events, from_=utc_text(now - 2 * A_MINUTE))) == [["three", "two"]]
    assert keys(pages(api, newest.list_events, type="custom.none")) == [[]]


def test_a_delivery_is_listed_once_and_as_it_stands_now(api: Api) -> None:
    api.scene.receiver.answers = [BUSY]
    api.scene.register()
    api.scene.publish(an_event())
    api.scene.run()
    api.scene.clock.move(A_MINUTE)
    [[line]] = [page for page in pages(api, newest.list_deliveries, top="1") if page]
    assert (line["status"], len(line["attempts"])) == ("failed", 4)


def test_deliveries_are_narrowed_by_how_they_stand_type_endpoint_and_time(log: Api) -> None:
    for number in range(1, 9):
        noted(log, number, "failed" if number % 3 == 0 else "delivered", "custom.b" if number > 4 else "custom.a")

    def found(**params: str) -> list[int]:
        listed = keys(pages(log, newest.list_deliveries, top="2", **params))
        return [int(key.removeprefix("key-")) for page in listed for key in page]

    assert found() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert found(status="failed") == [3, 6]
    assert found(type="custom.b") == [5, 6, 7, 8]
    assert found(type="custom.a", status="failed") == [3]
    assert found(endpoint=digest("endpoint-1").lower()) == [1, 3, 5, 7]
    assert found(from_=utc_text(THURSDAY - 6 * A_MINUTE), to=utc_text(THURSDAY - 2 * A_MINUTE)) == [3, 4, 5, 6]


def test_a_call_reads_so_many_deliveries_and_then_gives_a_short_page(log: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wanted is behind more than one call reads; rows that are gone count as read."""
    wanted = {number: noted(log, number, "failed" if number % 100 == 50 else None) for number in range(2 * MOST_READ)}
    read: list[DeliveryId] = []
    get = log.scene.app.deliveries.get

    def noting(each: DeliveryId) -> Versioned[Delivery] | None:
        read.append(each)
        return get(each)

    monkeypatch.setattr(log.scene.app.deliveries, "get", noting)
    first = log(newest.list_deliveries, status="failed", top="3").body
    assert [each["id"] for each in first["value"]] == [str(wanted[50]), str(wanted[150])]
    assert len(read) == MOST_READ
    assert keys(pages(log, newest.list_deliveries, status="failed", top="3")) == [
        ["key-50", "key-150"],
        ["key-250", "key-350"],
    ]
    assert keys(pages(log, newest.list_deliveries, status="failed", top="1")) == [
        [f"key-{number}"] if number else [] for number in (50, 150, 250, 350, 0)
    ]
    assert keys(pages(log, newest.list_deliveries, status="cancelled")) == [[], []]


@BOTH
@pytest.mark.parametrize(
    "params",
    [
        {"top": "0"},
        {"top": "101"},
        {"from_": "yesterday"},
        {"to": "2026-13-01"},
        {"type": "custom.*"},
        {"type": "webhook.failed"},
    ],
)
def test_a_wrong_query_is_400(api: Api, handler: Handler, params: dict[str, str]) -> None:
    assert api(handler, **params).status == 400


def test_a_status_or_endpoint_that_is_none_is_400(api: Api) -> None:
    assert api(newest.list_deliveries, status="lost").status == 400
    assert api(newest.list_deliveries, endpoint="https://receiver.example").status == 400


@BOTH
@pytest.mark.parametrize("params", [{"from_": "2200-01-01T00:00:00Z"}, {"to": "2001-01-01T00:00:00Z"}])
def test_a_time_at_which_nothing_is_noted_is_an_empty_list(api: Api, handler: Handler, params: dict[str, str]) -> None:
    assert api(handler, **params).body == {"value": []}


@BOTH
def test_a_continuation_of_another_list_is_400(log: Api, handler: Handler) -> None:
    log.scene.publish(an_event("second"))
    noted(log, 1)
    noted(log, 2)
    own = log(handler, top="1").body["continuation"]
    other = newest.list_events if handler is newest.list_deliveries else newest.list_deliveries
    assert log(handler, continuation=own).status == 200
    for refused in (log(other, continuation=own), log(handler, continuation="x")):
        assert refused.status == 400
        assert refused.body["detail"] == "?continuation= must be one that an earlier page gave"
