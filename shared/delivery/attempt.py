"""One attempt: an event in its wire format, signed, POSTed, and told of in one log line."""

import secrets
import time
from datetime import datetime, timedelta

from shared import logs
from shared.app import App
from shared.delivery.diagnosis import diagnose
from shared.delivery.recorder import Sent
from shared.delivery.schedule import is_success
from shared.formats.rendering import render
from shared.model import Attempt, Endpoint, Event
from shared.model.delivery import Unsendable
from shared.outbound.client import Answer, NoResponse
from shared.outbound.credentials import proof
from shared.outbound.signing import sign_point, sign_standard
from shared.storage.messages import Message


def send(app: App, endpoint: Endpoint, message: Message, event: Event, *, test: bool = False) -> Sent:
    """Signs and POSTs an event; the attempt says what happened. A `test` event is in no delivery log."""
    started_at, began = app.now(), time.monotonic()
    result = _post(app, endpoint, message, event, started_at)
    attempt = Attempt(
        number=message.attempt,
        started_at=started_at,
        duration_ms=round((time.monotonic() - began) * 1000),
        status=result.status if isinstance(result, Answer) else None,
        error=result.error if isinstance(result, NoResponse) else None,
        response=result.response if isinstance(result, Answer) else None,
        token=secrets.token_hex(8),
    )
    succeeded = is_success(attempt.status)
    clear = succeeded or diagnose(attempt.status, attempt.response) is not None
    if (clear or not test) and app.breaker.note(endpoint.id, message.delivery, clear, app.now()):
        logs.warning("breaker.opened", endpointId=endpoint.id, host=endpoint.host)
    logs.info(
        "delivery.attempted",
        deliveryId=message.delivery,
        endpointId=endpoint.id,
        host=endpoint.host,
        type=message.type,
        idempotencyKey=message.key,
        attempt=attempt.number,
        status=attempt.status,
        error=attempt.error,
        durationMs=attempt.duration_ms,
        test=test or None,
    )
    return Sent(attempt, result.retry_after if isinstance(result, Answer) else None)


def _post(app: App, endpoint: Endpoint, message: Message, event: Event, at: datetime) -> Answer | NoResponse:
    began = time.monotonic()
    try:
        content_type, body = render(endpoint, message.format, event)
        proved = {} if endpoint.auth is None else proof(app, endpoint, endpoint.auth)
    except Unsendable as reason:
        return NoResponse(f"nothing was sent: {reason}"[:1000])
    headers = {
        **proved,
        "Content-Type": content_type,
        **sign_point(body, app.options.signature_key(at)),
        **sign_standard(event.key, at, body, endpoint.secrets_at(at)),
        "traceparent": f"{message.traceparent[:36]}{secrets.token_hex(8)}{message.traceparent[52:]}",
    }
    return app.post(endpoint.url, headers, body, timedelta(seconds=time.monotonic() - began))
