"""The newest events and deliveries of all endpoints, from what each process notes of an hour: newest first, in pages.

A page continues from the last item that was looked at, by its time and its key or id. Nothing is read before it is
wanted: `events` and `deliveries` go back through the hours while somebody asks them for more.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shared.model import DELIVERY_ID, IDEMPOTENCY_KEY, from_ms, to_ms
from shared.storage.counts import HOUR, Counts, Hour, Item, NewDelivery, NewEvent, hour_of, whole_ms
from shared.storage.pages import continuation_at, read_continuation

NEWEST_WITHIN = timedelta(days=7)
"""How far back a list of the newest goes."""
_UNLESS_SAID = timedelta(hours=24)
"""How far back it goes where nothing else is asked for."""
_MOMENT = timedelta(milliseconds=1)

Kind = Literal["events", "deliveries"]
_TIME = "([0-7][0-9A-F]{11})"
_LAST = {
    kind: re.compile(rf"{kind}-{_TIME}-{_TIME}-({name.pattern})")
    for kind, name in (("events", IDEMPOTENCY_KEY), ("deliveries", DELIVERY_ID))
}


class Position(NamedTuple):
    """Where an item stands in its list: the later it is the nearer to the beginning, of one time by key or id."""

    at: datetime
    name: str


@dataclass(frozen=True)
class Walk:
    """A way through a list, page by page. All its pages are of the time at which it `began`: what is noted later is not
    on it, so that a delivery which is attempted anew stays where it is. Times: `since` inclusive, `until` exclusive."""

    kind: Kind
    began: datetime
    since: datetime
    until: datetime
    after: Position | None = None

    def continuation(self, last: NewEvent | NewDelivery) -> str:
        """Where the next page begins: after this item."""
        at, name = _position(last)
        return continuation_at(f"{self.kind}-{to_ms(self.began):012X}-{to_ms(at):012X}-{name}")


def walk(kind: Kind, now: datetime, since: datetime | None, until: datetime | None, continuation: str | None) -> Walk:
    """What is noted at or after `since` and before `until`: by default of the 24 hours before `until` or, without that,
    before the first page was asked for. It reaches back NEWEST_WITHIN at most. Raises ValueError on a continuation that
    no page of such a list gave."""
    began, after = whole_ms(now), None
    found = _LAST[kind].fullmatch(read_continuation(continuation, _LAST[kind]))
    if found:
        began, at = (from_ms(int(each, 16)) for each in found.groups()[:2])
        after = Position(at, found[3])
    end = began + _MOMENT
    until = end if until is None else min(until, end)
    since = until - _UNLESS_SAID if since is None else since
    return Walk(kind, began, max(since, began - NEWEST_WITHIN), until, after)


def events(counts: Counts, walk: Walk, name: str | None) -> Iterator[NewEvent]:
    """Those of one type where `name` is given. A key belongs to its publisher, and may be used again later: an event
    is known by its time and key."""

    def of(hour: Hour) -> list[NewEvent]:
        return [event for event in hour.events if name in (None, event.type)]

    newest = walk.after.at if walk.after else walk.until
    return _back(counts, walk, newest, of, lambda event: f"{event.at} {event.key}")


def deliveries(counts: Counts, walk: Walk, endpoint: str | None) -> Iterator[NewDelivery]:
    """Those to one endpoint where its id is given; each delivery once, where it was noted last.

    What the pages before were made of is read again, in one go, to know what they listed: a small row an hour and
    process.
    """

    def of(hour: Hour) -> list[NewDelivery]:
        return [each for each in hour.deliveries if endpoint is None or each.id.endswith(endpoint)]

    return _back(counts, walk, walk.until, of, lambda delivery: delivery.id)


def _back(
    counts: Counts,
    walk: Walk,
    newest: datetime,
    of: Callable[[Hour], Iterable[Item]],
    identity: Callable[[Item], str],
) -> Iterator[Item]:
    """Goes back over twice as many hours each time: where little happens, few queries find it, and where much happens,
    little is read."""
    seen: set[str] = set()
    oldest, last, hours = hour_of(walk.since), hour_of(min(newest, walk.until)), 1
    first = last if walk.after is None else min(last, hour_of(walk.after.at))
    while last >= oldest:
        for item in sorted(counts.noted(max(first, oldest), last, of), reverse=True):
            if walk.since <= item.at < walk.until and identity(item) not in seen:
                seen.add(identity(item))
                if walk.after is None or _position(item) < walk.after:
                    yield item
        last, hours = first - HOUR, hours * 2
        first = last - HOUR * (hours - 1)


def _position(item: NewEvent | NewDelivery) -> Position:
    return Position(item.at, item.key if isinstance(item, NewEvent) else item.id)
