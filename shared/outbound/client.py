"""One request to a receiver: only to a checked address, and over within its deadline whatever the receiver does.

aiohttp makes the requests and keeps the connections. Added here and in the modules beside it: a connection dials none
but addresses that passed the guard, while SNI, certificate and Host keep the name; the request line carries the
endpoint's path and query byte for byte; one deadline holds for all of it; and a complete head of an answer counts,
whatever becomes of its body.
"""

import asyncio
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

import aiohttp
import certifi
from yarl import URL

from shared.model.retry_after import read_retry_after
from shared.outbound.addresses import AddressPolicy, Refused, Target, Unresolved, read_url, refused_address
from shared.outbound.connection import USUAL_WAITS, Waits
from shared.outbound.exchange import RESPONSE_BYTES, Exchange, begin_exchange
from shared.outbound.failures import INVALID, ConnectionEnded, in_words
from shared.outbound.handshake import Handshake
from shared.outbound.resolver import NotInTime, Resolve, Resolver, resolve_by_system
from shared.outbound.session import OWN_HEADERS, Body, open_session

DEADLINE = timedelta(seconds=30)
"""For everything: name, connection, TLS, headers, body; SPScan's documentation says "responds within 30 seconds"."""

__all__ = ["DEADLINE", "RESPONSE_BYTES", "NoResponse", "Response", "WebhookClient"]


@dataclass(frozen=True)
class Response:
    """The receiver answered. `response` is at most RESPONSE_BYTES of the body, as text."""

    status: int
    response: str | None
    retry_after: timedelta | None
    allowed_origin: str | None = None
    """`WebHook-Allowed-Origin` of the answer to OPTIONS."""


@dataclass(frozen=True)
class NoResponse:
    """Nothing usable came back, or nothing was sent; `error` says why in an admin's words, without path or query."""

    error: str


class WebhookClient:
    """Posts to receivers. One for a process: it owns the connections, by event loop, and the resolver's threads. A
    `tls` that is given becomes the client's own."""

    def __init__(
        self,
        policy: AddressPolicy,
        deadline: timedelta = DEADLINE,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        waits: Waits = USUAL_WAITS,
    ) -> None:
        self._policy = policy
        self._deadline = deadline
        self._resolver = Resolver(resolve or resolve_by_system)
        self._tls = tls
        self._tls_lock = threading.Lock()
        self._waits = waits
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()

    def check(self, url: str, within: timedelta) -> Refused | Unresolved | None:
        """Why nothing will ever be sent to this URL, for an early error, or that its name does not resolve now: the
        receiver may come later, and every attempt looks again. From a thread."""
        target = read_url(url, self._policy)
        if isinstance(target, Refused):
            return target
        try:
            addresses = self._resolver.addresses(target.host, target.port, within.total_seconds())
        except (OSError, NotInTime):
            return Unresolved(target.host)
        return refused_address(target.host, addresses, self._policy)

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        spent: timedelta = timedelta(),
        within: timedelta | None = None,
    ) -> Response | NoResponse:
        """Makes one POST; never raises for what a receiver, its name or its certificate does. `within` is its deadline,
        by default DEADLINE, of which `spent` is over already."""
        return await self._request("POST", url, headers, body, within or self._deadline, spent)

    async def options(self, url: str, headers: Mapping[str, str], within: timedelta) -> Response | NoResponse:
        """Makes one OPTIONS request, as guarded as a POST. The answer names the allowed origin."""
        return await self._request("OPTIONS", url, headers, None, within, timedelta())

    async def close(self) -> None:
        """Closes the connections of this loop."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        given: timedelta,
        spent: timedelta,
    ) -> Response | NoResponse:
        target = read_url(url, self._policy)
        if isinstance(target, Refused):
            return NoResponse(f"refused: {target.reason}")
        refused = refused_address(target.host, target.literal_address, self._policy)
        if refused is not None:
            return NoResponse(f"refused: {refused.reason}")
        exchange = begin_exchange((target.scheme, target.host, target.port))
        left = (given - spent).total_seconds()
        if left <= 0:
            return _too_late(exchange, given)
        try:
            async with asyncio.timeout(left) as deadline:
                await self._exchange(exchange, method, target, headers, body, deadline)
        except TimeoutError:
            return _response(method, exchange) or _too_late(exchange, given)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _response(method, exchange) or NoResponse(exchange.failure or in_words(error, exchange.place))
        return _response(method, exchange) or NoResponse(exchange.failure or INVALID)

    async def _exchange(
        self,
        exchange: Exchange,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: asyncio.Timeout,
    ) -> None:
        """Asks again, once, where a connection that was used before ended before the first byte of an answer."""
        session = await self._session()
        while True:
            try:
                answer = await session.request(
                    method,
                    _exact_url(target),
                    headers={**headers, **OWN_HEADERS},
                    data=body if body is None else Body(body),
                    allow_redirects=False,
                )
            except ConnectionEnded:
                if exchange.asked_again or exchange.answered or not exchange.reused:
                    raise
                exchange.asked_again = True
                continue
            ends_at = asyncio.get_running_loop().time() + self._waits.body
            deadline.reschedule(min(ends_at, deadline.when() or ends_at))
            await _read(answer, exchange)
            return

    async def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is not None:
            return session
        tls = await asyncio.to_thread(self._prepared_tls)
        session = self._sessions.get(loop)  # another attempt may have been quicker
        if session is None:
            session = self._sessions[loop] = open_session(self._resolver, self._policy, tls, self._waits)
        return session

    def _prepared_tls(self) -> ssl.SSLContext:
        """From a thread: to read the authorities takes tens of milliseconds."""
        with self._tls_lock:
            if self._tls is None:
                self._tls = tls_context()
            self._tls.sslobject_class = Handshake
            return self._tls


async def _read(answer: aiohttp.ClientResponse, exchange: Exchange) -> None:
    """Takes what comes of the body into the exchange, up to RESPONSE_BYTES."""
    head, found = exchange.head, exchange.body
    try:
        while head is not None and head.has_body and len(found) <= RESPONSE_BYTES:
            part = await answer.content.read(RESPONSE_BYTES + 1 - len(found))
            if not part:
                break
            found += part
    finally:
        if answer.content.at_eof():
            answer.release()
        else:
            answer.close()


def _response(method: str, exchange: Exchange) -> Response | None:
    """What the exchange came to, where its head is complete."""
    head = exchange.head
    if head is None:
        return None
    return Response(
        head.status,
        exchange.body[:RESPONSE_BYTES].decode(errors="replace") or None,
        read_retry_after(head.value("Retry-After"), datetime.now(UTC)),
        head.value("WebHook-Allowed-Origin") if method == "OPTIONS" else None,
    )


def _too_late(exchange: Exchange, given: timedelta) -> NoResponse:
    seconds = f"{given.total_seconds():g} s"
    if exchange.resolving:
        return NoResponse(f"the name {exchange.place[1]} was not resolved within {seconds}")
    return NoResponse(f"no complete answer within {seconds}")


def _exact_url(target: Target) -> URL:
    """A URL whose path and query aiohttp writes as they are, byte for byte."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return URL.build(scheme=target.scheme, host=host, port=target.port, path=target.path, encoded=True)


def tls_context() -> ssl.SSLContext:
    """The system's authorities and Mozilla's: some machines have only one of the two."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
