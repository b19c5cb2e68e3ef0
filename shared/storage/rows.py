"""A row with its version, and the one loop in which rows are changed.

A store reads, inserts and replaces rows of one kind; what a change means is a pure function from the row as it is to
the row as it should be. Nobody holds a lock: where somebody else was first, the function is asked again with what they
wrote.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from azure.data.tables import TableEntity

from shared.model import Stored
from shared.storage.clients import Written

K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R", bound="Rejected")
S = TypeVar("S", bound=Stored)
K_contra = TypeVar("K_contra", contravariant=True)


class Versioned(NamedTuple, Generic[V]):
    """A row as it was read, and the version that it had then."""

    value: V
    etag: str


class Rejected:
    """A transition returns one where nothing may be written; what derives from it says why."""


class Rows(Protocol[K_contra, V]):
    """What `change` asks of a store. `insert` returns CONFLICT where there is a row, `replace` where it is another
    version or gone; a store that makes its table itself never returns NO_TABLE."""

    def get(self, key: K_contra, /) -> Versioned[V] | None: ...

    def insert(self, key: K_contra, value: V, /) -> Written: ...

    def replace(self, key: K_contra, value: V, etag: str, /) -> Written: ...


class LoopRows(Protocol[K_contra, V]):
    """The same for a store that is used on the event loop."""

    def get(self, key: K_contra, /) -> Awaitable[Versioned[V] | None]: ...

    def insert(self, key: K_contra, value: V, /) -> Awaitable[Written]: ...

    def replace(self, key: K_contra, value: V, etag: str, /) -> Awaitable[Written]: ...


def change(
    store: Rows[K, V], key: K, transition: Callable[[V | None], V | R | None], stored: Versioned[V] | None = None
) -> V | R | None:
    """Changes a row, and returns it as it then is.

    `transition` is given the row as it is (None: there is none) and returns what it should be: the same object where
    nothing is to change, a Rejected where nothing may. `stored` is the row as the caller has read it; without it the
    first try assumes that there is none. Returns None where there is no row and none is wanted, and where the table has
    been dropped.
    """
    while True:
        current = None if stored is None else stored.value
        wanted = transition(current)
        if wanted is current or wanted is None or isinstance(wanted, Rejected):
            return wanted
        written = write(store, key, wanted, stored)
        if written is not Written.CONFLICT:
            return wanted if written is Written.DONE else None
        stored = store.get(key)


def write(store: Rows[K, V], key: K, value: V, stored: Versioned[V] | None) -> Written:
    """Writes a row on condition that it still is what was read; `stored` None: that there is none. For those who have
    more to do between reading and writing than a pure function can say."""
    return store.insert(key, value) if stored is None else store.replace(key, value, stored.etag)


async def change_on_loop(
    store: LoopRows[K, V], key: K, transition: Callable[[V | None], V], stored: Versioned[V] | None = None
) -> V | None:
    """The same on the event loop."""
    while True:
        current = None if stored is None else stored.value
        wanted = transition(current)
        if wanted is current:
            return wanted
        written = await (store.insert(key, wanted) if stored is None else store.replace(key, wanted, stored.etag))
        if written is not Written.CONFLICT:
            return wanted if written is Written.DONE else None
        stored = await store.get(key)


def etag_of(entity: TableEntity) -> str:
    """The version of a row as it was read."""
    return entity.metadata["etag"] or ""


class RowFormat(Generic[S]):
    """How values of a kind become the JSON of a row. A row has the names of the fields, except where a field was called
    otherwise when the first rows were written: `stored_names` gives those by the field's name of today."""

    def __init__(self, kind: type[S], stored_names: Mapping[str, str]) -> None:
        self._kind = kind
        self._stored_names = stored_names
        self._names = {stored: name for name, stored in stored_names.items()}

    def dump(self, value: S, without: Collection[str] = ()) -> bytes:
        """The value's fields but those `without`, and but those that have their defaults."""
        fields = value.model_dump(mode="json", exclude=set(without), exclude_defaults=True)
        stored = {self._stored_names.get(name, name): field for name, field in fields.items()}
        return json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode()

    def load(self, stored: str | bytes, others: Mapping[str, Any] = {}) -> S:
        """What `dump` wrote, with the fields that were kept elsewhere."""
        fields = {self._names.get(name, name): field for name, field in json.loads(stored).items()}
        return self._kind.model_validate({**fields, **others})
