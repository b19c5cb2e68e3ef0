"""`GET /v1.0/events` and `/v1.0/webhooks/newest-deliveries`: the newest of all endpoints, as processes noted it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice

from shared.api import delivery_queries as queries
from shared.api import delivery_views, event_views
from shared.api.delivery_views import delivery_view
from shared.api.http.call import Request, Response
from shared.api.http.operation import CONTINUATION, Returns, Tag, how_many, operation, query
from shared.api.http.problem import bad_continuation
from shared.model import Delivery, DeliveryId
from shared.storage import newest
from shared.storage.counts import MOST_NEWEST, NewDelivery
from shared.storage.deliveries import Logged

DEFAULT_TOP = 50
MOST_READ = 200
"""Deliveries that are read for one page, however few of them are wanted."""
_READERS = 8
_SPAN = (
    "Of the 24 hours before `to`, by default before now, unless `from` says otherwise (7 days ago at most): up to some "
    "seconds old, at most 100 an hour and process, and without those that a killed process had not noted. What comes "
    "while pages are read is not on them. "
)


@operation(
    "List the newest events",
    tag=Tag.EVENTS,
    answers={200: Returns("A page, newest first", event_views.EventList)},
    description=f"{_SPAN}An event that is not listed is found by its key.",
    parameters=(
        query("type", "Only events of this type, exactly"),
        query("from", "Accepted at or after this time; without a zone it is UTC"),
        query("to", "Accepted before this time; without a zone it is UTC"),
        how_many(DEFAULT_TOP, MOST_NEWEST),
        CONTINUATION,
    ),
)
def list_events(request: Request) -> Response:
    """The newest events of all, or of a type."""
    walk, top = _walk(request, "events"), _top(request)
    found = list(islice(newest.events(request.app.counts, walk, queries.event_type(request)), top + 1))
    shown = [
        event_views.EventLine(
            idempotency_key=each.key,
            type=each.type,
            severity=each.severity,
            accepted_at=each.at,
            deliveries=each.deliveries,
        )
        for each in found[:top]
    ]
    continuation = walk.continuation(found[top - 1]) if len(found) > top else None
    return Response(200, event_views.EventList(value=shown, continuation=continuation).shown())


@operation(
    "List the newest deliveries",
    tag=Tag.DELIVERIES,
    answers={200: Returns("A page, newest first, each as it stands now", delivery_views.NewestDeliveries)},
    description=f"{_SPAN}Each is listed once, by its last attempt or its end. A call reads {MOST_READ} deliveries at "
    "most, so with `status` or `type` a page may be short or empty: go on while there is a `continuation`.",
    parameters=(
        {**queries.ENDPOINT, "description": "Only deliveries to this endpoint, by its id in any case"},
        {**queries.STATUS, "description": "Only deliveries that have this status now"},
        queries.TYPE,
        query("from", "Attempted or ended at or after this time; without a zone it is UTC"),
        query("to", "Attempted or ended before this time; without a zone it is UTC"),
        how_many(DEFAULT_TOP, MOST_NEWEST),
        CONTINUATION,
    ),
)
def list_deliveries(request: Request) -> Response:
    """The newest of all endpoints, or of one; each as it stands now."""
    return Response(200, deliveries_page(request).shown())


def deliveries_page(request: Request) -> delivery_views.NewestDeliveries:
    """A page of the newest deliveries, as the query narrows them."""
    walk, top = _walk(request, "deliveries"), _top(request)
    status, name = queries.status(request), queries.event_type(request)

    def wanted(delivery: Delivery) -> bool:
        return status in (None, delivery.status) and name in (None, delivery.type)

    noted = newest.deliveries(request.app.counts, walk, queries.endpoint(request))
    found, last = _read(request, noted, top, wanted)
    called = request.app.endpoints.names({each.endpoint for each, _ in found})
    return delivery_views.NewestDeliveries(
        value=[delivery_view(*each, called.get(each[0].endpoint)) for each in found],
        continuation=walk.continuation(last) if last else None,
    )


def _walk(request: Request, kind: newest.Kind) -> newest.Walk:
    since, until, continuation = request.time("from"), request.time("to"), request.query("continuation")
    try:
        return newest.walk(kind, request.app.now(), since, until, continuation)
    except ValueError:
        raise bad_continuation() from None


def _top(request: Request) -> int:
    return request.number("top", DEFAULT_TOP, 1, MOST_NEWEST)


def _read(
    request: Request, noted: Iterator[NewDelivery], top: int, wanted: Callable[[Delivery], bool]
) -> tuple[list[Logged], NewDelivery | None]:
    """The next deliveries that are wanted, out of MOST_READ; and the last that was looked at, where others follow."""
    found: list[Logged] = []
    looked_at: list[NewDelivery] = []
    with ThreadPoolExecutor(_READERS) as readers:
        while len(found) < top and len(looked_at) < MOST_READ:
            some = list(islice(noted, min(max(top - len(found), _READERS), MOST_READ - len(looked_at))))
            if not some:
                return found, None
            rows = readers.map(lambda each: _stored(request, each), some)
            for number, row in enumerate(rows, 1):
                looked_at.append(some[number - 1])
                if row is not None and wanted(row[1]):
                    found.append(row)
                if len(found) == top:
                    noted = chain(some[number:], noted)
                    break
    return found, looked_at[-1] if next(noted, None) else None


def _stored(request: Request, noted: NewDelivery) -> Logged | None:
    delivery_id = DeliveryId.parse(noted.id)
    row = None if delivery_id is None else request.app.deliveries.get(delivery_id)
    return None if delivery_id is None or row is None else (delivery_id, row.value)
