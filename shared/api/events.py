"""`/v1.0/events`: publishing events in Syskit Point's envelope, widened by severity and tenant."""

import json
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from shared import logs
from shared.admin import erasure as erasing
from shared.api import event_views as views
from shared.api.event_views import EXAMPLE_EVENT
from shared.api.http.call import Request, Response, invalid, validated
from shared.api.http.operation import Returns, Tag, header, operation, path, query
from shared.api.http.problem import Problem, bad_request, conflict, not_found
from shared.api.http.view import Component, FreeObject, Severity, example
from shared.delivery.publisher import (
    MOST_DELIVERIES,
    MOST_EVENTS,
    Accepted,
    Conflict,
    NotTaken,
    Outcome,
    delivery_ids,
    publish,
)
from shared.model import IDEMPOTENCY_KEY, DeliveryId, Event, Model, Tenant, TimeStamp, utc_text
from shared.model.catalogue import PUBLISHED_TYPE_SCHEMA, content_errors, default_severity, publish_problem
from shared.model.event import CALLERS_KEY_SHAPE, KEY_SHAPE, THE_APP
from shared.model.json_text import elements, joined, members
from shared.storage.events import EventRow

MOST_EVENT_BYTES = 256 * 1024
MOST_BODY_BYTES = 1024 * 1024

_PUBLISHER = query(
    "publisher",
    f"Only the event of this publisher: the object id (`oid`) of a caller, or `{THE_APP}` for the app itself",
    {"type": "string", "minLength": 1, "maxLength": 128},
)
_KEY = path("key", "The event's idempotency key", {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"})

Name = Annotated[str, Field(min_length=1, max_length=200)]


class MetaBody(Model):
    time_stamp: TimeStamp | None = None
    idempotency_key: Annotated[str, KEY_SHAPE, CALLERS_KEY_SHAPE] | None = None


class TenantBody(Model):
    id: Name
    display_name: Name | None = None
    microsoft_tenant_id: Name | None = None


class EventBody(Model):
    model_config = example(EXAMPLE_EVENT)

    type: Annotated[str, Field(min_length=1, max_length=128, json_schema_extra=PUBLISHED_TYPE_SCHEMA)]
    content: FreeObject
    meta: MetaBody | None = None
    severity: Severity | None = None
    tenant: TenantBody | None = None


EventBatch = Annotated[list[EventBody], Field(min_length=1, max_length=MOST_EVENTS), Component("EventBatch")]


@operation(
    "Publish an event, or an array of events",
    tag=Tag.EVENTS,
    answers={
        202: Returns(
            "Stored, and every message is on the queue; for an array, an array in the same order",
            views.Accepted | views.AcceptedBatch,
        ),
        409: Returns("The request contradicts what is stored", views.EventConflict),
        429: Returns("An array was taken in part", views.TooManyDeliveries, headers=("Retry-After",)),
    },
    description="`content` is checked against the catalogue and sent on as received. Give `meta.idempotencyKey`: "
    "without it a repeated call is a new event. The same key with another type or content is 409. An event may have "
    f"256 KiB, a body 1 MiB. Of an array as many events are taken as make {MOST_DELIVERIES:,} deliveries; 429 names "
    "the rest.",
    parameters=(
        header("traceparent", "W3C Trace Context, carried on to every attempt; one that cannot be read is ignored"),
    ),
    body=EventBody | EventBatch,
)
def publish_events(request: Request) -> Response:
    """One event, or an array of them: all are validated before the first is accepted."""
    value, text = request.json(MOST_BODY_BYTES)
    if isinstance(value, list):
        if not 1 <= len(value) <= MOST_EVENTS:
            raise bad_request(f"An array must hold 1 to {MOST_EVENTS} events; this one holds {len(value)}")
        texts = elements(text)
        events = [
            read_event(request, *each, where=f"[{at}].") for at, each in enumerate(zip(value, texts, strict=True))
        ]
    else:
        events = [read_event(request, value, text)]
    result = publish(request.app, events, request.header("traceparent"), request.caller.object_id)
    if isinstance(value, list):
        return Response(202, _batch(result))
    [outcome] = result
    if isinstance(outcome, Accepted):
        return Response(202, _accepted(outcome))
    raise conflict(_conflict_detail(outcome))


@operation(
    "Look an event up",
    tag=Tag.EVENTS,
    answers={200: Returns("The event and how its deliveries stand", views.Event)},
    description="An idempotency key belongs to its publisher. Where several used it, the caller's own event is "
    "returned, else the newest; `otherPublishers` names the others.",
    parameters=(_KEY, _PUBLISHER),
)
def get(request: Request) -> Response:
    """The event as it was accepted, and how its deliveries stand."""
    row, others = _stored(request)
    event = row.event
    shown = views.Event(
        type=event.type,
        content={},
        meta=views.Meta(time_stamp=event.time_stamp, idempotency_key=event.key),
        severity=event.severity,
        tenant=event.tenant,
        publisher=row.publisher or None,
        other_publishers=[each.publisher for each in others if each.publisher] or None,
        erased=row.erased or None,
        deliveries=[_delivery(request, delivery_id) for delivery_id in delivery_ids(row)],
    ).shown()
    parts = {name: json.dumps(value, ensure_ascii=False, separators=(",", ":")) for name, value in shown.items()}
    parts["content"] = event.content  # as received, byte for byte
    return Response(200, text=joined(parts))


@operation(
    "Erase what an event said",
    tag=Tag.EVENTS,
    answers={204: Returns("Erased")},
    description="409 where several publishers used the key: name one of them.",
    parameters=(_KEY, _PUBLISHER),
    refusals=(409,),
)
def erase(request: Request) -> Response:
    """Removes what the events of a key and publisher said, before their retention ends."""
    key, publisher = request.path("key"), request.query("publisher")
    known = request.app.events.find_all(key, request.app.now()) if IDEMPOTENCY_KEY.fullmatch(key) else ()
    rows = [row for row in known if row.is_of(publisher or "")]
    if not rows:
        raise _unknown()
    publishers = sorted({row.publisher for row in rows if row.publisher})
    if publisher is None and len(publishers) > 1:
        raise conflict(f"Several publishers used this key: name one with ?publisher= ({', '.join(publishers)})")
    for row in rows:
        erasing.erase(request.app, row)
    logs.audit(request.caller, "event.erased", idempotencyKey=key, publisher=", ".join(publishers) or None)
    return Response(204)


def _stored(request: Request) -> tuple[EventRow, list[EventRow]]:
    """The event of the key in the path, and those of others who used the key in its week."""
    key, publisher, now = request.path("key"), request.query("publisher"), request.app.now()
    if not IDEMPOTENCY_KEY.fullmatch(key):
        raise _unknown()
    if publisher is not None:
        row = request.app.events.find(key, now, publisher)
        if row is None:
            raise _unknown()
        return row, []
    rows = request.app.events.newest(key, now)
    if not rows:
        raise _unknown()
    own = next((row for row in rows if row.publisher == request.caller.object_id), rows[0])
    return own, [row for row in rows if row is not own]


def _unknown() -> Problem:
    return not_found("No event with this idempotency key is stored, or none of this publisher")


def read_event(request: Request, value: Any, text: str, where: str = "") -> Event:
    """An event as a caller gives it, value and text; `where` it stands in the body. Raises Problem 400 or 413."""
    if len(text.encode()) > MOST_EVENT_BYTES:
        raise Problem(413, "too-large", f"{where}an event may have at most {MOST_EVENT_BYTES} bytes")
    body = validated(EventBody, value, where)
    problem = publish_problem(body.type, "caller")
    errors = [f"type: {problem}"] if problem else content_errors(body.type, body.content)
    if errors:
        raise invalid([where + error for error in errors])
    meta = body.meta or MetaBody()
    tenant = Tenant(**body.tenant.model_dump()) if body.tenant else request.app.settings.own_tenant
    return Event(
        type=body.type,
        content=members(text)["content"],
        time_stamp=meta.time_stamp or utc_text(request.app.now()),
        key=meta.idempotency_key or str(uuid.uuid4()),
        severity=body.severity or default_severity(body.type),
        tenant=tenant,
    )


def _delivery(request: Request, delivery_id: DeliveryId) -> views.EventDelivery:
    stored = request.app.deliveries.get(delivery_id)
    status = stored.value.status if stored else "pending"
    return views.EventDelivery(id=str(delivery_id), endpoint_id=delivery_id.endpoint, status=status)


def _accepted(outcome: Accepted) -> dict[str, Any]:
    shown = views.Accepted(idempotency_key=outcome.key, deliveries=outcome.deliveries, duplicate=outcome.duplicate)
    return shown.shown()


def _batch(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What was accepted, in order. Raises Problem where that is not all: whoever looks at the status alone must not
    take the rest for accepted."""
    accepted = [_accepted(each) for each in outcomes if isinstance(each, Accepted)]
    clashes = [f"[{at}]: {_conflict_detail(each)}" for at, each in enumerate(outcomes) if isinstance(each, Conflict)]
    rest = [
        views.NotTaken(index=at, idempotency_key=each.key).shown()
        for at, each in enumerate(outcomes)
        if isinstance(each, NotTaken)
    ]
    left = (
        f"{len(rest)} of {len(outcomes)} events were not taken, since one call makes at most {MOST_DELIVERIES:,} "
        "deliveries (events × endpoints): send those of `rest` again"
    )
    if clashes:
        others = f"; {left}" if rest else " (the other events were accepted)"
        raise conflict("; ".join(clashes) + others, accepted=accepted, rest=rest or None)
    if rest:
        raise Problem(429, "too-many", left, headers={"Retry-After": "1"}, accepted=accepted, rest=rest)
    return accepted


def _conflict_detail(outcome: Conflict | NotTaken) -> str:
    return (
        f"The idempotency key {outcome.key} belongs to an event of another type or content: "
        "use a new key for a new event, and the same content to repeat one"
    )
