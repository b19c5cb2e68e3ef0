"""One attempt: an event in its wire format, signed, POSTed, and told of in one log line."""

import secrets
import time

from shared.app import App
from shared.delivery.formats import FORMATS
from shared.delivery.messages import Message
from shared.delivery.outbound import Answer, NoAnswer
from shared.delivery.recording import Sent
from shared.delivery.schedule import is_success
from shared.delivery.signing import sign_point, sign_standard
from shared.logs import write_line
from shared.model import Attempt, Endpoint, Event


def send(app: App, endpoint: Endpoint, message: Message, event: Event, *, test: bool = False) -> Sent:
    """Signs and POSTs an event; the attempt says what happened. A `test` event is in no delivery log."""
    started_at, began = app.now(), time.monotonic()
    content_type, body = FORMATS[message.format](event)
    headers = {
        "Content-Type": content_type,
        **sign_point(body, app.options.signature_key(started_at)),
        **sign_standard(event.key, started_at, body, endpoint.secrets_at(started_at)),
        "traceparent": f"{message.traceparent[:36]}{secrets.token_hex(8)}{message.traceparent[52:]}",
    }
    result = app.post(endpoint.url, headers, body)
    attempt = Attempt(
        number=message.attempt,
        started_at=started_at,
        duration_ms=round((time.monotonic() - began) * 1000),
        status=result.status if isinstance(result, Answer) else None,
        error=result.error if isinstance(result, NoAnswer) else None,
        response=result.response if isinstance(result, Answer) else None,
        token=secrets.token_hex(8),
    )
    succeeded = is_success(attempt.status)
    if (succeeded or not test) and app.breaker.note(endpoint.id, message.delivery, succeeded, app.now()):
        write_line("breaker.opened", 30, endpointId=endpoint.id, host=endpoint.host)
    write_line(
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
