"""The one loop in which rows are changed, without and on the event loop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.storage.clients import Written
from shared.storage.rows import Rejected, Versioned, change, change_on_loop

KEY = "key"
Transition = Callable[[str | None], str]
Change = Callable[..., Any]


@dataclass
class Store:
    """A table of one row that returns the given outcomes of its writes, in order."""

    outcomes: list[Written]
    stored: Versioned[str] | None = None
    writes: list[tuple[str, str]] = field(default_factory=list)
    reads: int = 0

    def get(self, key: str) -> Versioned[str] | None:
        self.reads += 1
        return self.stored

    def insert(self, key: str, value: str) -> Written:
        return self.replace(key, value, "insert")

    def replace(self, key: str, value: str, etag: str) -> Written:
        self.writes.append((value, etag))
        return self.outcomes.pop(0)


class LoopStore:
    """The same as coroutines."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def get(self, key: str) -> Versioned[str] | None:
        return self.store.get(key)

    async def insert(self, key: str, value: str) -> Written:
        return self.store.insert(key, value)

    async def replace(self, key: str, value: str, etag: str) -> Written:
        return self.store.replace(key, value, etag)


def changed_on_loop(store: Store, key: str, transition: Transition, stored: Versioned[str] | None = None) -> str | None:
    changing = change_on_loop(LoopStore(store), key, transition, stored)
    return asyncio.run(changing)


both = pytest.mark.parametrize("apply", [change, changed_on_loop])


@both
def test_a_first_write_costs_no_read(apply: Change) -> None:
    store = Store([Written.DONE])
    assert apply(store, KEY, lambda now: "new") == "new"
    assert (store.writes, store.reads) == ([("new", "insert")], 0)


@both
def test_a_row_that_was_read_is_written_under_its_version(apply: Change) -> None:
    store = Store([Written.DONE])
    assert apply(store, KEY, lambda now: f"{now}, changed", Versioned("row", "etag-1")) == "row, changed"
    assert store.writes == [("row, changed", "etag-1")]


@both
def test_who_was_late_decides_again_by_what_is_there(apply: Change) -> None:
    store = Store([Written.CONFLICT, Written.DONE], stored=Versioned("theirs", "etag-2"))
    seen: list[str | None] = []

    def transition(now: str | None) -> str:
        seen.append(now)
        return "mine"

    assert apply(store, KEY, transition) == "mine"
    assert seen == [None, "theirs"]
    assert [etag for _, etag in store.writes] == ["insert", "etag-2"]


@both
def test_a_transition_that_changes_nothing_writes_nothing(apply: Change) -> None:
    store = Store([])
    assert apply(store, KEY, lambda now: now, Versioned("row", "etag")) == "row"
    assert store.writes == []


@both
@pytest.mark.parametrize("stored", [None, Versioned("row", "etag")])
def test_a_table_that_was_dropped_is_not_written_to_again(apply: Change, stored: Versioned[str] | None) -> None:
    store = Store([Written.NO_TABLE])
    assert apply(store, KEY, lambda now: "new", stored) is None
    assert len(store.writes) == 1


def test_a_row_that_is_gone_is_not_made_anew_where_none_is_wanted() -> None:
    store = Store([Written.CONFLICT])
    assert change(store, KEY, lambda now: now and "changed", Versioned("row", "etag")) is None
    assert len(store.writes) == 1


def test_what_is_rejected_is_not_written_and_says_why() -> None:
    class Taken(Rejected):
        pass

    store, taken = Store([Written.CONFLICT], stored=Versioned("theirs", "etag")), Taken()
    assert change(store, KEY, lambda now: "mine" if now is None else taken) is taken
    assert store.writes == [("mine", "insert")]
