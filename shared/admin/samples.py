"""Test events: a sample of a type, sent to one endpoint now, outside the queue and the delivery log."""

import uuid
from typing import Any

from shared.app import App
from shared.delivery.attempt import attempt
from shared.delivery.diagnosis import diagnose
from shared.delivery.dispatcher import log_attempt
from shared.delivery.publisher import make_traceparent, own_event
from shared.delivery.schedule import is_success
from shared.model import Attempt, Endpoint
from shared.model.catalogue import CATALOGUE, CUSTOM_PREFIX, publish_problem
from shared.model.filters import type_matches
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
    event = own_event(app, name, sample_content(name), f"test-{uuid.uuid4()}", at=now)
    message = sample(endpoint, event, now, make_traceparent())
    attempted = app.background.run(attempt(app, endpoint, message, event))
    log_attempt(message, endpoint, attempted, "test")
    made = attempted.attempt
    if is_success(made.status) or diagnose(made.status, made.response) is not None:
        app.breaker.record(endpoint.id, message.delivery, True, app.seconds())
    return made


def sample_content(name: str) -> dict[str, Any]:
    """The catalogue's sample; a type of the publisher's own has one without fields."""
    return CATALOGUE[name].sample if name in CATALOGUE else {}


def _first_type(endpoint: Endpoint) -> str:
    wanted = (name for name in CATALOGUE if any(type_matches(pattern, name) for pattern in endpoint.types))
    named = (name for name in endpoint.types if name.startswith(CUSTOM_PREFIX) and not name.endswith("*"))
    return next(wanted, next(named, _OWN))
