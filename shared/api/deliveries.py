"""`/v1.0/webhooks/deliveries`: the delivery log of an endpoint, the alert log across endpoints, and another try."""

from typing import get_args

from shared import logs
from shared.admin.retry import Refusal, retry
from shared.api.http.call import Request, Response
from shared.api.http.problem import bad_request, conflict, not_found
from shared.api.views import Delivery as DeliveryView
from shared.api.views import DeliveryPage, MalformedMessage, Retried, delivery_view, malformed_view
from shared.delivery.transitions import unattempted
from shared.model import ENDPOINT_ID, Delivery, DeliveryId, Status
from shared.storage.alerts import Malformed
from shared.storage.pages import Filters

DEFAULT_TOP, MOST_TOP = 50, 500


def list_some(request: Request) -> Response:
    """Newest first. Without an endpoint only `status=failed` is answered: the alert log."""
    endpoint = request.query("endpoint")
    if endpoint is not None and not ENDPOINT_ID.fullmatch(endpoint.upper()):
        raise bad_request("?endpoint= must be an endpoint's id, 26 letters and digits, not its URL")
    filters = Filters(_status(request), request.query("type"), request.time("from"), request.time("to"))
    if endpoint is None and filters.status != "failed":
        raise bad_request("Name an endpoint's id (?endpoint=), or ask for the alert log (?status=failed)")
    top = request.number("top", DEFAULT_TOP, 1, MOST_TOP)
    now, continuation = request.app.now(), request.query("continuation")
    try:
        if endpoint is None:
            page = request.app.alerts.log(filters, now, top, continuation)
            lines: list[DeliveryView | MalformedMessage] = [
                malformed_view(each) if isinstance(each, Malformed) else delivery_view(*each) for each in page.items
            ]
            return Response(200, DeliveryPage(value=lines, continuation=page.continuation).shown())
        log = request.app.deliveries.log(endpoint.upper(), filters, now, top, continuation)
    except ValueError:
        raise bad_request("?continuation= must be one that an earlier page gave") from None
    items = [delivery_view(*each) for each in log.items]
    return Response(200, DeliveryPage(value=items, continuation=log.continuation).shown())


def get(request: Request) -> Response:
    """One delivery with all its attempts; before the first of them it is pending."""
    delivery_id = DeliveryId.parse(request.path("id"))
    if delivery_id is None:
        line = request.app.alerts.malformed(request.path("id"))
        if line is None:
            raise _unknown()
        return Response(200, malformed_view(line).shown())
    return Response(200, delivery_view(delivery_id, _find(request, delivery_id)).shown())


def retry_one(request: Request) -> Response:
    """Puts a delivery that has come to an end back on its way, with a schedule of its own."""
    delivery_id = DeliveryId.parse(request.path("id"))
    if delivery_id is None:
        raise _unknown()
    delivery = _find(request, delivery_id)
    refusal = retry(request.app, delivery_id, delivery)
    if isinstance(refusal, Refusal):
        raise conflict(refusal.reason)
    logs.audit(request.caller, "delivery.retried", deliveryId=str(delivery_id), endpointId=delivery_id.endpoint)
    return Response(202, Retried(id=str(delivery_id), status="pending").shown())


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
