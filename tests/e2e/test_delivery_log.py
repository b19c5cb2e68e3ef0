"""`GET /v1.0/webhooks/deliveries`: the log of an endpoint, and the alert log across endpoints."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from .api import DELIVERIES, ENDPOINTS, Api, Json, custom
from .conftest import App

COUNT = 25
TYPES = ("custom.log.even", "custom.log.odd")


@dataclass(frozen=True)
class Log:
    """COUNT deliveries to one endpoint: the first is exhausted, the others delivered. Keys in order of publishing."""

    endpoint: Json
    other: Json
    keys: list[str]
    failed: str


@pytest.fixture(scope="module")
def log(app: App) -> Iterator[Log]:
    bad, good = app.receiver.hook(500), app.receiver.hook()
    other = app.api.register(bad.url, "custom.log.failing")
    endpoint = app.api.register(bad.url + "&2", "custom.log.failing")
    failing = app.api.publish(custom("custom.log.failing"))["idempotencyKey"]
    failed = app.api.delivery_id(failing, endpoint)
    for each in (endpoint, other):
        app.host.wait_for("delivery.exhausted", deliveryId=app.api.delivery_id(failing, each))
    bad.answer(200)
    app.api.call("PATCH", f"{ENDPOINTS}/{endpoint['id']}", {"types": ["custom.log.*"]})
    keys = [failing]
    for at in range(1, COUNT):
        keys.append(app.api.publish(custom(TYPES[at % 2]))["idempotencyKey"])
    for key in keys[1:]:
        app.api.ended(app.api.delivery_id(key, endpoint), "delivered")
    assert not good.received
    yield Log(endpoint, other, keys, failed)
    for each in (endpoint, other):
        app.api.call("DELETE", f"{ENDPOINTS}/{each['id']}", expect=204)


def keys_of(api: Api, log: Log, **filters: Any) -> list[str]:
    query = "".join(f"&{name}={quote(str(value))}" for name, value in filters.items())
    return [each["idempotencyKey"] for page in api.pages(f"endpoint={log.endpoint['id']}{query}") for each in page]


def test_newest_first(api: Api, log: Log) -> None:
    assert keys_of(api, log) == log.keys[::-1]


@pytest.mark.parametrize("top", [1, 7, COUNT, COUNT + 1])
def test_pages_join_without_gap_or_overlap(api: Api, log: Log, top: int) -> None:
    pages = api.pages(f"endpoint={log.endpoint['id']}", top=top)
    assert [each["idempotencyKey"] for page in pages for each in page] == log.keys[::-1]
    assert [len(page) for page in pages[:-1]] == [top] * (len(pages) - 1)
    assert len(pages) == -(-COUNT // top), "a full last page has no continuation"


def test_a_continuation_holds_while_new_deliveries_come(app: App, log: Log) -> None:
    first = app.api.call("GET", f"{DELIVERIES}?endpoint={log.endpoint['id']}&top=5").json
    last = log.keys[-6]
    rest = app.api.call(
        "GET", f"{DELIVERIES}?endpoint={log.endpoint['id']}&top=1&continuation={quote(first['continuation'])}"
    ).json
    assert [each["idempotencyKey"] for each in rest["value"]] == [last]


def test_filters(api: Api, log: Log) -> None:
    odd = [key for at, key in enumerate(log.keys) if at % 2 and at]
    assert keys_of(api, log, type=TYPES[1]) == odd[::-1]
    assert keys_of(api, log, status="failed") == log.keys[:1]
    assert keys_of(api, log, status="delivered") == log.keys[:0:-1]
    assert keys_of(api, log, status="delivered", type="custom.log.failing") == []
    assert keys_of(api, log, status="cancelled") == []


def test_times_are_of_acceptance(api: Api, log: Log) -> None:
    tenth = accepted_at(api, log, 10)
    assert keys_of(api, log, **{"from": tenth}) == log.keys[:9:-1]
    assert keys_of(api, log, to=tenth)[-10:] == log.keys[9::-1]
    assert keys_of(api, log, **{"from": tenth, "to": tenth}) in ([], [log.keys[10]])


def test_to_is_exclusive(api: Api, log: Log) -> None:
    """So that two adjoining ranges have no delivery in common."""
    assert keys_of(api, log, to=accepted_at(api, log, 10)) == log.keys[9::-1]


def accepted_at(api: Api, log: Log, at: int) -> str:
    return str(api.delivery(api.delivery_id(log.keys[at], log.endpoint))["createdAt"])


def test_each_line_is_the_whole_delivery(api: Api, log: Log) -> None:
    for line in [each for page in api.pages(f"endpoint={log.endpoint['id']}") for each in page][::8]:
        assert line == api.delivery(line["id"])
        assert line["endpointId"] == log.endpoint["id"]
        assert line["attempts"]


def test_the_alert_log_is_across_endpoints(api: Api, log: Log) -> None:
    lines = {line["id"]: line for page in api.pages("status=failed", top=3) for line in page}
    both = {api.delivery_id(log.keys[0], each) for each in (log.endpoint, log.other)}
    assert both <= lines.keys()
    assert lines[log.failed] == api.delivery(log.failed)
    times = [line["createdAt"] for line in lines.values()]
    assert times == sorted(times, reverse=True)
    of_type = api.call("GET", f"{DELIVERIES}?status=failed&type=custom.log.failing").json["value"]
    assert {line["id"] for line in of_type} == both
    assert api.call("GET", f"{DELIVERIES}?status=failed&type=custom.none").json == {"value": []}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("?type=custom.log.odd", "endpoint"),
        ("?status=delivered", "endpoint"),
        ("?endpoint=AAAAAAAAAAAAAAAAAAAAAAAAAA&status=lost", "status"),
        ("?endpoint=https://example.com/", "endpoint"),
        ("?status=failed&top=0", "top"),
        ("?status=failed&top=many", "top"),
        ("?status=failed&top=100000", "top"),
        ("?status=failed&from=yesterday", "from"),
        ("?status=failed&to=32", "to"),
        ("?status=failed&continuation=nonsense", "continuation"),
        ("?status=failed&continuation=MQ==", "continuation"),
        ("?status=failed&continuation=%C3%A9", "continuation"),
        ("?status=failed&continuation=IjB6Ig==", "continuation"),
        ("?status=failed&continuation=" + quote("W10="), "continuation"),
        ("?status=failed&continuation=" + quote("IkZGRkZGRkZGRkZGRiI="), "continuation"),
    ],
)
def test_wrong_queries_are_refused_in_words(api: Api, query: str, named: str) -> None:
    assert named in api.call("GET", f"{DELIVERIES}{query}", expect=400).json["detail"]


def test_far_times_are_no_error(api: Api, log: Log) -> None:
    for early in ("2001-01-01T00:00:00Z", "2001-01-01"):
        assert len(keys_of(api, log, **{"from": early})) == COUNT
        assert keys_of(api, log, to=early) == []
    assert keys_of(api, log, **{"from": "2099-12-31T23:59:59Z"}) == []
    assert len(keys_of(api, log, to="2099-12-31T23:59:59Z")) == COUNT


def test_an_unknown_endpoint_has_an_empty_log(api: Api) -> None:
    assert api.call("GET", f"{DELIVERIES}?endpoint=AAAAAAAAAAAAAAAAAAAAAAAAAA").json == {"value": []}


def test_unknown_deliveries_are_404(api: Api, log: Log) -> None:
    for each in (
        "x",
        "0" * 12 + "-" + "A" * 26 + "-" + "A" * 26,
        log.failed[:-1] + ("E" if log.failed.endswith("A") else "A"),
        "F" * 12 + log.failed[12:],
    ):
        api.call("GET", f"{DELIVERIES}/{each}", expect=404)
        api.call("POST", f"{DELIVERIES}/{each}/retry", expect=404)
