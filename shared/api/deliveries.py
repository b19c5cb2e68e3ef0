"""`/v1.0/webhooks/deliveries`: the delivery log of an endpoint, the alert log across endpoints, and another try."""

from collections.abc import Sequence

from shared import logs
from shared.admin.retry import Refusal, retry
from shared.api import delivery_queries as queries
from shared.api import delivery_views as views
from shared.api import newest
from shared.api.delivery_views import delivery_view, malformed_view
from shared.api.http.call import Request, Response
from shared.api.http.operation import CONTINUATION, Returns, Tag, how_many, operation, path, query
from shared.api.http.problem import bad_continuation, bad_request, conflict, not_found
from shared.delivery.transitions import unattempted
from shared.model import Delivery, DeliveryId
from shared.storage.alerts import Malformed
from shared.storage.deliveries import Logged
from shared.storage.pages import Filters, Page

DEFAULT_TOP, MOST_TOP = 50, 500

_ID = path("id", "The delivery's id, in any case", {"type": "string", "minLength": 1})
_OTHERWISE = "ask for the alert log (?status=failed), or for /v1.0/webhooks/newest-deliveries"
_ACCEPTED_TIME = "Accepted {} this time; without a zone it is UTC"


@operation(
    "Read an endpoint's delivery log, the alert log, or the newest deliveries",
    tag=Tag.DELIVERIES,
    answers={200: Returns("A page, newest first", views.DeliveryPage)},
    description="With `endpoint`, its delivery log. Without, `status=failed` is the alert log across endpoints; with "
    "neither it is the first page of `/v1.0/webhooks/newest-deliveries`, with only `top` (at most 100) and `from`.",
    parameters=(
        queries.ENDPOINT,
        queries.STATUS,
        queries.TYPE,
        query("from", _ACCEPTED_TIME.format("at or after")),
        query("to", _ACCEPTED_TIME.format("before")),
        how_many(DEFAULT_TOP, MOST_TOP),
        CONTINUATION,
    ),
)
def list_some(request: Request) -> Response:
    """Newest first."""
    endpoint = queries.endpoint(request)
    filters = Filters(queries.status(request), queries.event_type(request), request.time("from"), request.time("to"))
    now, continuation = request.app.now(), request.query("continuation")
    if endpoint is None and filters.status is None:
        if filters.type is not None or filters.until is not None or continuation is not None:
            raise bad_request(f"Name an endpoint's id (?endpoint=) too, {_OTHERWISE}")
        return Response(200, views.DeliveryPage(value=[*newest.deliveries_page(request).value]).shown())
    if endpoint is None and filters.status != "failed":
        raise bad_request(f"Name an endpoint's id (?endpoint=), {_OTHERWISE}")
    top = request.number("top", DEFAULT_TOP, 1, MOST_TOP)
    try:
        if endpoint is None:
            page: Page[Logged | Malformed] | Page[Logged] = request.app.alerts.log(filters, now, top, continuation)
        else:
            page = request.app.deliveries.log(endpoint, filters, now, top, continuation)
    except ValueError:
        raise bad_continuation() from None
    lines = _lines(request, page.items)
    return Response(200, views.DeliveryPage(value=lines, continuation=page.continuation).shown())


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


def _find(request: Request, delivery_id: DeliveryId) -> Delivery:
    stored = request.app.deliveries.get(delivery_id)
    if stored is not None:
        return stored.value
    row = request.app.events.get(delivery_id.accepted_ms, delivery_id.event)
    for recipient in row.recipients if row else ():
        if row and recipient.id == delivery_id.endpoint and row.accepted_ms == delivery_id.accepted_ms:
            return unattempted(row, recipient)
    raise _unknown()


def _unknown() -> Exception:
    return not_found("No delivery with this id is stored")
