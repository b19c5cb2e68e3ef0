"""Test events: a sample of a type, sent to one endpoint now, outside the queue and the delivery log."""

import uuid

from shared.app import App
from shared.delivery.attempt import attempt
from shared.delivery.diagnosis import diagnose
from shared.delivery.dispatcher import log_attempt
from shared.delivery.publisher import make_traceparent
from shared.delivery.schedule import is_success
from shared.model import Attempt, Endpoint, Event, Tenant, utc_text
from shared.model.catalogue import CATALOGUE, CUSTOM_PREFIX, EventType, publish_problem
from shared.model.filters import type_matches
from shared.model.json_text import dump
from shared.storage.messages import sample

_OWN = CUSTOM_PREFIX + "test"


def send_test(app: App, endpoint: Endpoint, wanted: str | None) -> Attempt | str:
    """Sends a sample of `wanted`, or of the first type that the endpoint asks for; returns the attempt, or why there
    is no such sample."""
    name = wanted or _first_type(endpoint)
    problem = publish_problem(name, "app")
    if problem:
        return problem
    now = app.now()
    event = sample_event(name, f"test-{uuid.uuid4()}", utc_text(now), app.settings.own_tenant)
    message = sample(endpoint, event, now, make_traceparent())
    made = app.background.run(attempt(app, endpoint, message, event)).attempt
    log_attempt(message, endpoint, made, "test")
    if is_success(made.status) or diagnose(made.status, made.response) is not None:
        app.breaker.record(endpoint.id, message.delivery, True, app.seconds())
    return made


def sample_event(name: str, key: str, time_stamp: str, tenant: Tenant | None) -> Event:
    """The catalogue's sample as an event; a type of the publisher's own has a sample without fields."""
    known: EventType | None = CATALOGUE.get(name)
    return Event(
        type=name,
        content=dump(known.sample if known else {}),
        time_stamp=time_stamp,
        key=key,
        severity=known.severity if known else "low",
        tenant=tenant,
    )


def _first_type(endpoint: Endpoint) -> str:
    wanted = (name for name in CATALOGUE if any(type_matches(pattern, name) for pattern in endpoint.types))
    named = (name for name in endpoint.types if name.startswith(CUSTOM_PREFIX) and not name.endswith("*"))
    return next(wanted, next(named, _OWN))
