"""Table `sequences`: deliveries to ordered endpoints that have not ended, in order of acceptance.

One row is a sequence: the deliveries of one subject to one registration of an endpoint, in the order in which they
joined. Only the first, its head, has a message on the queue. A row is there for as long as somebody is in it, and is
changed on condition that nobody else has changed it: so the order is the table's, and no clock's.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from azure.data.tables import TableEntity

from shared.model import DeliveryId, Stored, digest, from_ms, to_ms
from shared.storage.clients import Services, Written
from shared.storage.rows import RowFormat, Versioned, etag_of

MOST_IN_ONE = 1000
"""Deliveries of a sequence. Its row is written each time that one joins or leaves, and holds 42 bytes for each: a
publisher pays for that, whoever registered the endpoint."""

_PAGE = 100
"""Rows of up to 42 KB that are read at once."""


class Sequence(Stored):
    """Who is in a sequence, as delivery ids without the endpoint's, which is the row's partition; the head first.
    `called_ms` is when the head became it, or was called again; `seen_ms` when it was last found to be as it should;
    `held_ms` until when the head's message is put back, where that is for long."""

    members: tuple[str, ...]
    called_ms: int
    seen_ms: int = 0
    held_ms: int = 0

    def head(self, endpoint: str) -> DeliveryId:
        found = DeliveryId.parse(f"{self.members[0]}-{endpoint}")
        assert found is not None  # noqa: S101 (as `_member` wrote it)
        return found

    @property
    def called_at(self) -> datetime:
        return from_ms(self.called_ms)

    @property
    def held_until(self) -> datetime:
        return from_ms(self.held_ms)


class Place(enum.Enum):
    """Where a delivery stands that joins a sequence."""

    HEAD = "it is the first"
    HEAD_AGAIN = "it is the first, and may have joined, been called and left before"
    BEHIND = "others come before it, or came"
    NONE = "there are as many as there may be"


class Left(NamedTuple):
    """A sequence as it is without a delivery, None where nobody is left; `by_this_call` says that this call, as far as
    it knows, took out the head."""

    sequence: Sequence | None
    by_this_call: bool


@dataclass(frozen=True)
class Held:
    """A sequence, read when it is asked for, and its key."""

    endpoint: str
    name: str
    entity: TableEntity

    @cached_property
    def stored(self) -> Versioned[Sequence]:
        """Raises ValueError where the row cannot be read."""
        return _read(self.entity)


_ROWS = RowFormat(Sequence, {})


def sequence_name(generation: int, subject: str) -> str:
    """Of the sequence of a subject, of one registration of an endpoint: 26 characters."""
    return digest(f"{generation}/{subject}")


class Sequences:
    """Rows by endpoint and name."""

    def __init__(self, services: Services) -> None:
        self._table = services.table("sequences")

    def get(self, endpoint: str, name: str) -> Versioned[Sequence] | None:
        entity = self._table.get(endpoint, name)
        return None if entity is None else _read(entity)

    def join(self, delivery_id: DeliveryId, name: str, now: datetime) -> Place:
        """Puts a delivery at the end of a sequence, unless it is in it; returns where it stands. A write that seems to
        have been in vain may have worked, where the SDK repeated it. Then the delivery stood behind others, and whoever
        ended the one before it has called it."""
        endpoint, member, first = delivery_id.endpoint, _member(delivery_id), Place.HEAD
        while True:
            written = self._insert(endpoint, name, Sequence(members=(member,), called_ms=to_ms(now)))
            if written is Written.DONE:
                return first
            in_vain = False
            while (stored := self.get(endpoint, name)) is not None:
                members = stored.value.members
                if member in members:
                    return first if members[0] == member and not in_vain else Place.BEHIND
                if len(members) >= MOST_IN_ONE:
                    return Place.NONE
                longer = stored.value.model_copy(update={"members": (*members, member)})
                if self._replace(endpoint, name, longer, stored.etag) is Written.DONE:
                    return Place.BEHIND
                in_vain, first = True, Place.HEAD_AGAIN

    def leave(self, delivery_id: DeliveryId, name: str, now: datetime) -> Left:
        """Takes a delivery out of a sequence. Where it was the head, the next one is, called as of now."""
        endpoint, member, was_head = delivery_id.endpoint, _member(delivery_id), False
        while True:
            stored = self.get(endpoint, name)
            if stored is None:
                return Left(None, was_head)
            known = stored.value
            if member not in known.members:  # after a try of ours: it had its effect, and the SDK repeated it
                return Left(known, was_head)
            was_head = known.members[0] == member
            others = tuple(each for each in known.members if each != member)
            if was_head:
                shorter = Sequence(members=others, called_ms=to_ms(now))
            else:
                shorter = known.model_copy(update={"members": others})
            if not others:
                written = self._table.remove(endpoint, name, stored.etag)
            else:
                written = self._replace(endpoint, name, shorter, stored.etag)
            if written is Written.DONE:
                return Left(shorter if others else None, was_head)

    def call_again(self, held: Held, now: datetime) -> Sequence | None:
        """Has the head called as of now, and returns the sequence; None where somebody else has changed it."""
        return self._renew(held.endpoint, held.name, held.stored, {"called_ms": to_ms(now), "held_ms": 0})

    def note_seen(self, held: Held, now: datetime) -> None:
        """Has it looked at as late as if its head had been called now."""
        self._renew(held.endpoint, held.name, held.stored, {"seen_ms": to_ms(now)})

    def note_held(self, delivery_id: DeliveryId, name: str, until: datetime) -> None:
        """Has a sequence say until when its head's message is put back; not where another delivery is its head."""
        endpoint, member = delivery_id.endpoint, _member(delivery_id)
        while (stored := self.get(endpoint, name)) is not None and stored.value.members[0] == member:
            if stored.value.held_ms >= to_ms(until):
                return
            if self._renew(endpoint, name, stored, {"held_ms": to_ms(until)}) is not None:
                return

    def held_since(self, at: datetime) -> Iterator[Held]:
        """The sequences whose head was called, and which were last seen, before a time; got as they are asked for."""
        for row in self._table.query("Seen lt @at", {"at": _time(to_ms(at))}, page=_PAGE):
            yield Held(row["PartitionKey"], row["RowKey"], row)

    def _renew(self, endpoint: str, name: str, stored: Versioned[Sequence], update: dict[str, int]) -> Sequence | None:
        renewed = stored.value.model_copy(update=update)
        written = self._replace(endpoint, name, renewed, stored.etag)
        return renewed if written is Written.DONE else None

    def _insert(self, endpoint: str, name: str, value: Sequence) -> Written:
        while (written := self._table.insert(_entity(endpoint, name, value))) is Written.NO_TABLE:
            self._table.create()
        return written

    def _replace(self, endpoint: str, name: str, value: Sequence, etag: str) -> Written:
        return self._table.replace(_entity(endpoint, name, value), etag)


def _entity(endpoint: str, name: str, value: Sequence) -> dict[str, str | bytes]:
    key = {"PartitionKey": endpoint, "RowKey": name, "Seen": _time(max(value.called_ms, value.seen_ms))}
    return {**key, "Row": _ROWS.dump(value)}


def _read(entity: TableEntity) -> Versioned[Sequence]:
    return Versioned(_ROWS.load(entity["Row"]), etag_of(entity))


def _time(at_ms: int) -> str:
    """As text that sorts by time."""
    return f"{at_ms:012X}"


def _member(delivery_id: DeliveryId) -> str:
    return f"{delivery_id.accepted_ms:012X}-{delivery_id.event}"
