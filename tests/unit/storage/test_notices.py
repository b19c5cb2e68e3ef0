"""Failures to be told of, however many wait."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from azure.data.tables import TableEntity

from doubles.storage_account import Account, Services, Table
from shared.storage.notices import Failure, Notices

ENDPOINTS = ["2" * 26, "A" * 26, "A" * 25 + "B", "Z" * 26]


def a_failure(endpoint_id: str, number: int) -> Failure:
    return Failure(
        delivery_id=str(number),
        endpoint_id=endpoint_id,
        event_type="custom.test",
        idempotency_key=str(number),
        attempts=4,
        reason="",
        at_ms=number,
    )


@pytest.fixture
def notices() -> Notices:
    """With a hundred failures of each endpoint."""
    found = Notices(cast(Any, Services(Account())))
    for endpoint_id in ENDPOINTS:
        for number in range(100):
            found.note(a_failure(endpoint_id, number), schedule=1)
    return found


def test_who_waits_is_found_by_a_row_each(notices: Notices, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    query = Table.query

    def recorded(self: Table, *given: Any, **named: Any) -> Iterator[TableEntity]:
        for row in query(self, *given, **named):
            read.append(row["RowKey"])
            yield row

    monkeypatch.setattr(Table, "query", recorded)
    assert list(notices.waiting()) == ENDPOINTS
    assert len(read) == len(ENDPOINTS)


def test_who_is_told_of_meanwhile_hides_no_other(notices: Notices) -> None:
    found = []
    for endpoint_id in notices.waiting():
        found.append(endpoint_id)
        notices.forget(endpoint_id, notices.untold(endpoint_id))
    assert found == ENDPOINTS
    assert list(notices.waiting()) == []
