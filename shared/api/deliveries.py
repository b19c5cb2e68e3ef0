"""`/v1.0/webhooks/deliveries`: the delivery log of an endpoint, the alert log across endpoints, and another try; and
`/v1.0/webhooks/newest-deliveries`."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import get_args

from shared import logs
from shared.admin.retry import Refusal, retry
from shared.api import delivery_views as views
from shared.api.delivery_views import delivery_view, malformed_view
from shared.api.http.call import Request, Response
from shared.api.http.operation import CONTINUATION, Returns, Tag, how_many, operation, path, query
from shared.api.http.problem import bad_request, conflict, not_found
from shared.delivery.transitions import unattempted
from shared.model import ENDPOINT_ID, Delivery, DeliveryId, Status
from shared.storage.alerts import Malformed
from shared.storage.counts import MOST_NEWEST
from shared.storage.deliveries import Logged
from shared.storage.pages import Filters, Page

DEFAULT_TOP, MOST_TOP = 50, 500
_NEWEST_OF = timedelta(hours=24)
_READERS = 8

_ID = path("id", "The delivery's id, in any case", {"type": "string", "minLength": 1})
_ACCEPTED_TIME = "Accepted {} this time; without a zone it is UTC"


@operation(
    "Read an endpoint's delivery log, the alert log, or the newest deliveries",
    tag=Tag.DELIVERIES,
    answers={200: Returns("A page, newest first", views.DeliveryPage)},
    description="With `endpoint`, its delivery log. Without, `status=failed` is the alert log across endpoints; with "
    "neither it is the newest deliveries of all endpoints, of which only `top` (at most 100) and `from` (7 days ago at "
    "most) are taken: up to some seconds old, at most 100 an hour and process, and without those that a killed process "
    "had not noted.",
    parameters=(
        query("endpoint", "An endpoint's id, in any case", {"type": "string", "pattern": "^[A-Za-z2-7]{26}$"}),
        query("status", "Only deliveries of this status", {"$ref": "#/components/schemas/DeliveryStatus"}),
        query("type", "Only deliveries of this event type, exactly"),
        query("from", _ACCEPTED_TIME.format("at or after")),
        query("to", _ACCEPTED_TIME.format("before")),
        how_many(DEFAULT_TOP, MOST_TOP),
        CONTINUATION,
    ),
)
def list_some(request: Request) -> Response:
    """Newest first."""
    endpoint = request.query("endpoint")
    if endpoint is not None and not ENDPOINT_ID.fullmatch(endpoint.upper()):
        raise bad_request("?endpoint= must be an endpoint's id, 26 letters and digits, not its URL")
    filters = Filters(_status(request), request.query("type"), request.time("from"), request.time("to"))
    now, continuation = request.app.now(), request.query("continuation")
    if endpoint is None and filters.status is None:
        if filters.type is not None or filters.until is not None or continuation is not None:
            raise bad_request("Name an endpoint's id (?endpoint=) too, or ask for the alert log (?status=failed)")
        return Response(200, views.DeliveryPage(value=_newest(request)).shown())
    if endpoint is None and filters.status != "failed":
        raise bad_request("Name an endpoint's id (?endpoint=), or ask for the alert log (?status=failed)")
    top = request.number("top", DEFAULT_TOP, 1, MOST_TOP)
    try:
        if endpoint is None:
            page: Page[Logged | Malformed] | Page[Logged] = request.app.alerts.log(filters, now, top, continuation)
        else:
            page = request.app.deliveries.log(endpoint.upper(), filters, now, top, continuation)
    except ValueError:
        raise bad_request("?continuation= must be one that an earlier page gave") from None
    lines = _lines(request, page.items)
    return Response(200, views.DeliveryPage(value=lines, continuation=page.continuation).shown())


@operation(
    "List the newest deliveries",
    tag=Tag.DELIVERIES,
    answers={200: Returns("Newest first, each as it stands now", views.NewestDeliveries)},
    description="Of all endpoints and of the last 24 hours unless `from` says otherwise (7 days at most): up to some "
    "seconds old, at most 100 an hour and process, and without those that a killed process had not noted. The same as "
    "`/v1.0/webhooks/deliveries` without `endpoint` and `status`; Power Platform needs a path for each list.",
    parameters=(
        how_many(DEFAULT_TOP, MOST_NEWEST),
        query("from", "Attempted or ended at or after this time; without a zone it is UTC"),
    ),
)
def list_newest(request: Request) -> Response:
    """The newest of all endpoints."""
    return Response(200, views.NewestDeliveries(value=_newest(request)).shown())


def _lines(request: Request, items: Sequence[Logged | Malformed]) -> list[views.Delivery | views.MalformedMessage]:
    called = request.app.endpoints.names({each[0].endpoint for each in items if not isinstance(each, Malformed)})
    return [
        malformed_view(each) if isinstance(each, Malformed) else delivery_view(*each, called.get(each[0].endpoint))
        for each in items
    ]


@operation(
    "Read a delivery with its attempts",
    tag=Tag.DELIVERIES,
    answers={200: Returns("The delivery, or the line of the alert log", views.Delivery | views.MalformedMessage)},
    parameters=(_ID,),
)
def get(request: Request) -> Response:
    """One delivery with all its attempts; before the first of them it is pending."""
    delivery_id = DeliveryId.parse(request.path("id"))
    if delivery_id is None:
        line = request.app.alerts.malformed(request.path("id"))
        if line is None:
            raise _unknown()
        return Response(200, malformed_view(line).shown())
    called = request.app.endpoints.names([delivery_id.endpoint]).get(delivery_id.endpoint)
    return Response(200, delivery_view(delivery_id, _find(request, delivery_id), called).shown())


@operation(
    "Try a delivery again",
    tag=Tag.DELIVERIES,
    answers={202: Returns("On its way again, with a schedule of its own", views.Retried)},
    description="409 where it is delivered or still on its way, and where its endpoint is deleted or disabled.",
    parameters=(_ID,),
    refusals=(409,),
)
def retry_one(request: Request) -> Response:
    """Puts a delivery that has come to an end back on its way, with a schedule of its own."""
    delivery_id, delivery = find_delivery(request)
    refusal = retry(request.app, delivery_id, delivery)
    if isinstance(refusal, Refusal):
        raise conflict(refusal.reason)
    logs.audit(request.caller, "delivery.retried", deliveryId=str(delivery_id), endpointId=delivery_id.endpoint)
    return Response(202, views.Retried(id=str(delivery_id), status="pending").shown())


def find_delivery(request: Request) -> tuple[DeliveryId, Delivery]:
    """The delivery of the id in the path. Raises Problem 404."""
    delivery_id = DeliveryId.parse(request.path("id"))
    if delivery_id is None:
        raise _unknown()
    return delivery_id, _find(request, delivery_id)


def _newest(request: Request) -> list[views.Delivery]:
    """Those of the last day, or since a time; each as it stands now."""
    now = request.app.now()
    top = request.number("top", DEFAULT_TOP, 1, MOST_NEWEST)
    noted = request.app.counts.newest_deliveries(request.time("from") or now - _NEWEST_OF, now, top)
    ids = [parsed for each in noted if (parsed := DeliveryId.parse(each.id))]
    with ThreadPoolExecutor(_READERS) as readers:
        rows = list(readers.map(request.app.deliveries.get, ids))
    found = [(each, row.value) for each, row in zip(ids, rows, strict=True) if row is not None]
    called = request.app.endpoints.names({each.endpoint for each, _ in found})
    return [delivery_view(each, delivery, called.get(each.endpoint)) for each, delivery in found]


def _find(request: Request, delivery_id: DeliveryId) -> Delivery:
    stored = request.app.deliveries.get(delivery_id)
    if stored is not None:
        return stored.value
    row = request.app.events.get(delivery_id.accepted_ms, delivery_id.event)
    for recipient in row.recipients if row else ():
        if row and recipient.id == delivery_id.endpoint and row.accepted_ms == delivery_id.accepted_ms:
            return unattempted(row, recipient)
    raise _unknown()


def _status(request: Request) -> Status | None:
    text = request.query("status")
    for known in get_args(Status):
        if text == known:
            status: Status = known
            return status
    if text is not None:
        raise bad_request(f"?status= must be one of {', '.join(get_args(Status))}")
    return None


def _unknown() -> Exception:
    return not_found("No delivery with this id is stored")
