"""`/v1.0/webhooks/deliveries`: the delivery log of an endpoint, the alert log across endpoints, and another try."""

from typing import get_args

from shared import logs
from shared.admin.retry import Refusal, retry
from shared.api.http.call import Call, Reply
from shared.api.http.problem import bad_request, conflict, not_found
from shared.api.views import Delivery as DeliveryView
from shared.api.views import DeliveryPage, MalformedMessage, Retried, delivery_view, malformed_view
from shared.delivery.transitions import unattempted
from shared.model import ENDPOINT_ID, Delivery, DeliveryId, Status
from shared.storage.deliveries import Filters, Malformed

DEFAULT_TOP, MOST_TOP = 50, 500


def list_some(call: Call) -> Reply:
    """Newest first. Without an endpoint only `status=failed` is answered: the alert log."""
    endpoint = call.query("endpoint")
    if endpoint is not None and not ENDPOINT_ID.fullmatch(endpoint.upper()):
        raise bad_request("?endpoint= must be an endpoint's id, 26 letters and digits, not its URL")
    filters = Filters(_status(call), call.query("type"), call.time("from"), call.time("to"))
    if endpoint is None and filters.status != "failed":
        raise bad_request("Name an endpoint's id (?endpoint=), or ask for the alert log (?status=failed)")
    top = call.number("top", DEFAULT_TOP, 1, MOST_TOP)
    now, continuation = call.app.now(), call.query("continuation")
    try:
        if endpoint is None:
            page = call.app.deliveries.alerts(filters, now, top, continuation)
            lines: list[DeliveryView | MalformedMessage] = [
                malformed_view(each) if isinstance(each, Malformed) else delivery_view(*each) for each in page.items
            ]
            return Reply(200, DeliveryPage(value=lines, continuation=page.continuation).shown())
        log = call.app.deliveries.log(endpoint.upper(), filters, now, top, continuation)
    except ValueError:
        raise bad_request("?continuation= must be one that an earlier page gave") from None
    items = [delivery_view(*each) for each in log.items]
    return Reply(200, DeliveryPage(value=items, continuation=log.continuation).shown())


def get(call: Call) -> Reply:
    """One delivery with all its attempts; before the first of them it is pending."""
    delivery_id = DeliveryId.parse(call.path("id"))
    if delivery_id is None:
        line = call.app.deliveries.malformed(call.path("id"))
        if line is None:
            raise _unknown()
        return Reply(200, malformed_view(line).shown())
    return Reply(200, delivery_view(delivery_id, _find(call, delivery_id)).shown())


def retry_one(call: Call) -> Reply:
    """Puts a delivery that has come to an end back on its way, with a schedule of its own."""
    delivery_id = DeliveryId.parse(call.path("id"))
    if delivery_id is None:
        raise _unknown()
    delivery = _find(call, delivery_id)
    refusal = retry(call.app, delivery_id, delivery)
    if isinstance(refusal, Refusal):
        raise conflict(refusal.reason)
    logs.audit(call.caller, "delivery.retried", deliveryId=str(delivery_id), endpointId=delivery_id.endpoint)
    return Reply(202, Retried(id=str(delivery_id), status="pending").shown())


def _find(call: Call, delivery_id: DeliveryId) -> Delivery:
    known = call.app.deliveries.get(delivery_id)
    if known is not None:
        return known[0]
    row = call.app.events.get(delivery_id.accepted_ms, delivery_id.event)
    for recipient in row.recipients if row else ():
        if row and recipient.id == delivery_id.endpoint and row.accepted_ms == delivery_id.accepted_ms:
            return unattempted(row, recipient)
    raise _unknown()


def _status(call: Call) -> Status | None:
    text = call.query("status")
    for known in get_args(Status):
        if text == known:
            status: Status = known
            return status
    if text is not None:
        raise bad_request(f"?status= must be one of {', '.join(get_args(Status))}")
    return None


def _unknown() -> Exception:
    return not_found("No delivery with this id is stored")
