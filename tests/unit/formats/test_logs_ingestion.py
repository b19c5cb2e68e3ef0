"""The stand-in of Azure Monitor's Logs Ingestion API judges as the service does, and takes what the format makes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doubles.format_events import events, make
from doubles.logs_ingestion import MOST_BODY_BYTES, LogsIngestion
from shared.formats.sentinel import COLUMNS, MOST_BYTES, joined
from shared.model import Event

RULE = f"dcr-{'0' * 32}"
URL = f"https://x.westeurope-1.ingest.monitor.azure.com/dataCollectionRules/{RULE}/streams/Custom-A?api-version=2023-01-01"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEADERS = {"Authorization": "Bearer ours", "Content-Type": "application/json"}


def service(**given: Any) -> LogsIngestion:
    tokens = {"ours", "others"}
    return LogsIngestion(RULE, {"Custom-A": COLUMNS}, lambda: NOON, tokens, {"ours"}, **given)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({}, 204, ""),
        ({"headers": {**HEADERS, "Authorization": "Bearer unknown"}}, 401, "InvalidAuthenticationToken"),
        ({"headers": {**HEADERS, "Authorization": "Bearer others"}}, 403, "OperationFailed"),
        ({"headers": {**HEADERS, "Content-Type": "text/plain"}}, 415, "UnsupportedMediaType"),
        ({"url": URL.replace(RULE, "dcr-1")}, 404, "NotFound"),
        ({"url": URL.replace("Custom-A", "Custom-B")}, 404, "NotFound"),
        ({"url": URL.partition("?")[0]}, 400, "MissingApiVersionParameter"),
        ({"body": b"{}"}, 400, "InvalidPayload"),
        ({"body": b"[1]"}, 400, "InvalidPayload"),
        ({"body": b"[{"}, 400, "InvalidPayload"),
        ({"body": b"[" + b" " * MOST_BODY_BYTES + b"]"}, 413, "ContentLengthLimitExceeded"),
    ],
)
def test_what_the_service_would_refuse_is_refused(changes: dict[str, Any], status: int, code: str) -> None:
    answer = service().post(**{"url": URL, "headers": HEADERS, "body": b"[]"} | changes)
    assert answer.status == status
    assert code == (json.loads(answer.response)["error"]["code"] if answer.response else "")


def test_more_calls_than_a_minute_takes_are_told_when_to_come_back() -> None:
    throttled = service(most_in_a_minute=2)
    statuses = [throttled.post(URL, HEADERS, b"[]").status for _ in range(3)]
    assert statuses == [204, 204, 429]
    assert throttled.post(URL, HEADERS, b"[]").retry_after == timedelta(minutes=1)
    throttled.now = lambda: NOON + timedelta(minutes=1)
    assert throttled.post(URL, HEADERS, b"[]").status == 204


@pytest.mark.parametrize(
    ("row", "lost"),
    [
        ({"EventType": "x", "Content": {}, "ContentShortened": True, "TimeGenerated": "2026-11-22T10:00:00Z"}, []),
        ({"Unknown": 1}, ["Unknown: is no column of the stream"]),
        ({"EventType": 1}, ["EventType: is no string"]),
        ({"ContentShortened": 1}, ["ContentShortened: is no boolean"]),
        ({"EventTime": "yesterday"}, ["EventTime: is no datetime"]),
        ({"Content": {"a": "x" * 40_000}}, ["Content: is cut off: 80018 bytes"]),
    ],
)
def test_what_204_hides_is_seen(row: dict[str, Any], lost: list[str]) -> None:
    ingestion = service()
    assert ingestion.post(URL, HEADERS, json.dumps([row]).encode()).status == 204
    assert ingestion.lost == lost


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(events, min_size=1, max_size=4))
def test_it_takes_rows_of_any_events_and_loses_nothing(several: list[Event]) -> None:
    ingestion = service()
    body = joined(make("sentinel", event)[1] for event in several)
    assert len(body) <= MOST_BYTES
    assert ingestion.post(URL, HEADERS, body).status == 204
    assert ingestion.lost == []
    assert [row["IdempotencyKey"] for row in ingestion.rows] == [event.key for event in several]
