"""One attempt: an event in its wire format, signed and POSTed."""

import secrets
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.app import App
from shared.formats import FORMATS, Body
from shared.formats.rendering import render, secrets_in
from shared.model import Attempt, Endpoint, Event
from shared.model.delivery import Unsendable
from shared.outbound.client import NoResponse, Response
from shared.outbound.credentials import auth_headers, auth_values, token_rules, wanted_audience
from shared.outbound.redaction import redaction_of
from shared.outbound.signing import SECRET_PREFIX, sign_point, sign_standard
from shared.storage.messages import Message

RENDERED_IN_THREAD_BYTES = 16 * 1024
"""Events from this size on are rendered and signed off the loop, which must not stand still for milliseconds."""
_REDACTED_IN_THREAD_CHARACTERS = 256
"""Fewer take less than a millisecond on the loop, however long the URL."""


@dataclass(frozen=True)
class Attempted:
    """An attempt, with the delay that its answer asked for."""

    attempt: Attempt
    retry_after: timedelta | None
    together: int = 1
    """How many deliveries went in its request."""


@dataclass(frozen=True)
class Batch:
    """What several deliveries send in one request: its `webhook-id`, its body, and how many they are."""

    id: str
    body: Body
    size: int


async def attempt(
    app: App,
    endpoint: Endpoint,
    message: Message,
    event: Event,
    within: timedelta | None = None,
    batch: Batch | None = None,
) -> Attempted:
    """Signs and POSTs an event, or the batch that it goes in; the attempt says what happened. `within` is its deadline,
    where it is not the usual one."""
    started_at, began = app.now(), time.monotonic()
    result = await _post(app, endpoint, message, event, batch, started_at, within)
    answer = result if isinstance(result, Response) else None
    made = Attempt(
        number=message.attempt,
        started_at=started_at,
        duration_ms=round((time.monotonic() - began) * 1000),
        status=answer.status if answer else None,
        error=result.error if isinstance(result, NoResponse) else None,
        response=answer.response if answer else None,
        token=secrets.token_hex(8),
    )
    return Attempted(made, answer.retry_after if answer else None, batch.size if batch else 1)


async def _post(
    app: App,
    endpoint: Endpoint,
    message: Message,
    event: Event,
    batch: Batch | None,
    at: datetime,
    within: timedelta | None,
) -> Response | NoResponse:
    began = time.monotonic()
    key = await app.options.signature_key_on_loop(at, app.in_thread)
    size = len(batch.body[1] if batch else event.content)
    try:
        proved = await _proved(app, endpoint, message)
        if size >= RENDERED_IN_THREAD_BYTES:
            headers, body = await app.in_thread(_signed, endpoint, message, event, batch, at, key, proved)
        else:
            headers, body = _signed(endpoint, message, event, batch, at, key, proved)
    except Unsendable as reason:
        return NoResponse(f"nothing was sent: {reason}"[:1000])
    spent = timedelta(seconds=time.monotonic() - began)
    result = await app.client.post(endpoint.url, headers, body, spent, within)
    if not isinstance(result, Response) or not result.response:
        return result
    hidden = (*auth_values(endpoint.auth, headers), *secrets_in(endpoint, message.format), key)
    return await _without_secrets(app, result, endpoint, hidden)


async def _without_secrets(app: App, answer: Response, endpoint: Endpoint, hidden: tuple[str, ...]) -> Response:
    """The answer as people may read it who may not see how its receiver is reached, whatever it echoes."""
    text = answer.response or ""
    signing = [each.removeprefix(SECRET_PREFIX) for each in endpoint.secrets_at(app.now())]
    redact = redaction_of(endpoint.url, (*hidden, *signing)).redact
    if len(text) < _REDACTED_IN_THREAD_CHARACTERS:
        return replace(answer, response=redact(text))
    return replace(answer, response=await app.in_thread(redact, text))


async def _proved(app: App, endpoint: Endpoint, message: Message) -> dict[str, str]:
    """The headers of the endpoint's `auth`. Raises Unsendable."""
    if endpoint.auth is None:
        return {}
    audience = wanted_audience(endpoint, endpoint.auth, message.format, token_rules(app.settings))
    return auth_headers(endpoint.auth, None if audience is None else await app.tokens.get_on_loop(audience))


def _signed(
    endpoint: Endpoint,
    message: Message,
    event: Event,
    batch: Batch | None,
    at: datetime,
    key: str,
    proved: dict[str, str],
) -> tuple[dict[str, str], bytes]:
    """Headers and body. Raises Unsendable."""
    content_type, body = batch.body if batch else render(endpoint, message.format, event)
    headers = {
        **proved,
        "Content-Type": content_type,
        **(sign_point(body, key) if FORMATS[message.format].point_signature else {}),
        **sign_standard(batch.id if batch else event.key, at, body, endpoint.secrets_at(at)),
        "traceparent": f"{message.traceparent[:36]}{secrets.token_hex(8)}{message.traceparent[52:]}",
    }
    return headers, body
