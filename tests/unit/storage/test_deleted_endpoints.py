"""Names of deleted endpoints, however many there are."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from azure.data.tables import TableEntity
from cryptography.fernet import Fernet

from doubles.storage_account import Account, Services, Table
from shared.model.endpoint import register
from shared.storage.cipher import Cipher
from shared.storage.deleted_endpoints import DeletedEndpoints

FIRST, SECOND = (Fernet.generate_key().decode() for _ in range(2))
NAMES = 20
NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    "walk",
    [
        lambda deleted: deleted.forget(datetime.now(UTC) + timedelta(days=1)),
        lambda deleted: deleted.reencrypt(),
    ],
    ids=["forget", "reencrypt"],
)
def test_a_walk_holds_no_more_than_a_page(
    walk: Callable[[DeletedEndpoints], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row is dealt with before the next is read."""
    steps: list[str] = []
    query, delete, upsert = Table.query, Table.delete, Table.upsert

    def querying(self: Table, *given: Any, **named: Any) -> Iterator[TableEntity]:
        for row in query(self, *given, **named):
            steps.append("read")
            yield row

    def writing(write: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any) -> Any:
            steps.append("written")
            return write(*given)

        return step

    table = cast(Any, Services(Account())).table("endpoints")
    table.create()
    deleted = DeletedEndpoints(table, Cipher([SECOND]))
    for number in range(NAMES):
        deleted.note(register(f"https://r{number}.example/", "", "", {"types": ("*",)}, NOW))
    monkeypatch.setattr(Table, "query", querying)
    monkeypatch.setattr(Table, "delete", writing(delete))
    monkeypatch.setattr(Table, "upsert", writing(upsert))
    assert walk(DeletedEndpoints(table, Cipher([FIRST, SECOND]))) == NAMES
    assert steps == ["read", "written"] * NAMES
