"""The list of requests: its pages, and what one of them costs."""

import uuid
from datetime import timedelta
from typing import NoReturn

import pytest

from doubles.simulated_workspaces import OWNER, Cloud, lucky
from shared.provisioning.acceptance import Accepted, Caller, Wanted, accept
from shared.storage.clients import StorageUnavailable
from shared.storage.rows import Versioned
from shared.storage.workspaces import MOST_LINES, WorkspaceRequest, Workspaces


@pytest.fixture
def cloud() -> Cloud:
    return lucky()


def stored(cloud: Cloud, count: int) -> list[str]:
    """The ids of so many requests that completed, after an older one that failed; the newest first."""
    store, ids = cloud.stored(), [str(uuid.uuid4()) for _ in range(count + 1)]
    for number, request_id in enumerate(ids):
        at = cloud.now + timedelta(seconds=number)
        status = "completed" if number else "failed"
        row = WorkspaceRequest(
            id=request_id,
            kind="teams",
            fingerprint="",
            caller="",
            template_id="teams",
            display_name="Quay",
            accepted_at=at,
            updated_at=at,
            next_at=at,
            step="over",
            status=status,
        )
        store.list_newest(row)
        store.insert(row.id, row)
    return ids[::-1]


def test_a_call_looks_at_so_many_lines_and_says_where_the_next_goes_on(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few requests have the status: each line costs a read."""
    ids, read = stored(cloud, 2 * MOST_LINES), []
    get = Workspaces.get

    def counted(store: Workspaces, request_id: str) -> Versioned[WorkspaceRequest] | None:
        read.append(request_id)
        return get(store, request_id)

    monkeypatch.setattr(Workspaces, "get", counted)
    first = cloud.stored().page("failed", 10, None)
    assert (first.items, len(read)) == ([], MOST_LINES)
    second = cloud.stored().page("failed", 10, first.continuation)
    assert (second.items, len(read)) == ([], 2 * MOST_LINES)
    third = cloud.stored().page("failed", 10, second.continuation)
    assert [row.id for row in third.items] == [ids[-1]]
    assert third.continuation is None


def test_pages_leave_none_out_and_the_last_one_says_so(cloud: Cloud) -> None:
    ids, store = stored(cloud, 5), cloud.stored()
    pages = [store.page(None, 2, None)]
    while pages[-1].continuation:
        pages.append(store.page(None, 2, pages[-1].continuation))
    assert [[row.id for row in page.items] for page in pages] == [ids[0:2], ids[2:4], ids[4:6]]


@pytest.mark.parametrize("key", ["RITM1", None])
def test_no_row_is_stored_that_retention_would_not_find(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    """Whichever call of storage a process ends at."""
    for ends_at in ("list_newest", "insert"):
        cut_off(cloud, monkeypatch, key, Workspaces, ends_at)
        assert rows(cloud) == []
    cut_off(cloud, monkeypatch, key, type(cloud.app().provisioning), "put")
    assert len(rows(cloud)) == 1
    cloud.now += timedelta(days=40)
    cloud.stored().forget_before(cloud.now - timedelta(days=30))
    assert not cloud.account.tables["provisioning"]


def test_a_request_whose_first_call_was_cut_off_is_listed_once(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call has another time, and so another line."""
    cut_off(cloud, monkeypatch, "RITM1", Workspaces, "insert")
    cloud.now += timedelta(minutes=1)
    request = call(cloud, "RITM1")
    assert request is not None
    assert [row.id for row in cloud.stored().page(None, 10, None).items] == [request.row.id]


def cut_off(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, key: str | None, store: type, method: str) -> None:
    """A call that ends where it would use this method of a store."""

    def fails(*_: object) -> NoReturn:
        raise StorageUnavailable("cut off")

    with monkeypatch.context() as ending:
        ending.setattr(store, method, fails)
        assert call(cloud, key) is None


def call(cloud: Cloud, key: str | None) -> Accepted | None:
    """None where storage fails."""
    wanted = Wanted(kind="teams", template_id="teams", display_name="Quay", owners=("mia@contoso.example",))
    outcome = cloud._alone(lambda: accept(cloud.app(), wanted, Caller(OWNER, key), cloud.microsoft()))
    assert outcome is None or isinstance(outcome, Accepted)
    return outcome


def rows(cloud: Cloud) -> list[str]:
    """The ids of the rows that are stored, listed or not."""
    return [row for partition, row in cloud.account.tables.get("provisioning", {}) if partition == "requests"]
