"""One request to a receiver: only to a checked address, and over within its deadline whatever the receiver does.

aiohttp makes the requests and keeps the connections. Added here: a connection dials none but addresses that passed the
guard, while SNI, certificate and Host keep the name; the request line carries the endpoint's path and query byte for
byte; one deadline holds for all of it; and a complete head of a 2xx answer counts, whatever becomes of its body.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

import aiohttp
import certifi
from yarl import URL

from shared import __version__
from shared.model.retry_after import read_retry_after
from shared.outbound.addresses import AddressPolicy, Refused, Target, read_url, refused_address
from shared.outbound.connection import GuardedConnector, current_exchange
from shared.outbound.failures import in_words
from shared.outbound.resolver import NotInTime, Resolve, Resolver, resolve_by_system

DEADLINE = timedelta(seconds=30)
"""For everything: name, connection, TLS, headers, body; SPScan's documentation says "responds within 30 seconds"."""

RESPONSE_BYTES = 2048
"""How much of an answer is read, for the log."""

BODY_SECONDS = 5.0
"""How long the body of a 2xx answer is waited for: the delivery is made, and only the log wants more."""

USER_AGENT = f"TenantHooks/{__version__}"

_HEAD_BYTES = 256 * 1024
_MOST_HEADERS = 10_000
_WITHOUT_BODY = frozenset({204, 205, 304})


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
    """Posts to receivers. One for a process: it owns the connections, by event loop, and the resolver's threads."""

    def __init__(
        self,
        policy: AddressPolicy,
        deadline: timedelta = DEADLINE,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._deadline = deadline
        self._resolver = Resolver(resolve or resolve_by_system)
        self._tls = tls
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()

    def check(self, url: str, within: timedelta) -> Refused | None:
        """Why nothing will ever be sent to this URL, for an early error. A name that does not resolve now is let pass:
        the receiver may come later, and every attempt looks again. From a thread."""
        target = read_url(url, self._policy)
        if isinstance(target, Refused):
            return target
        try:
            addresses = self._resolver.addresses(target.host, target.port, within.total_seconds())
        except (OSError, NotInTime):
            return None
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
        ends_at = time.monotonic() + (given - spent).total_seconds()
        exchange = current_exchange.begin(target.host)
        try:
            async with asyncio.timeout(max(ends_at - time.monotonic(), 0)):
                return await self._exchange(method, target, headers, body, ends_at)
        except TimeoutError:
            seconds = f"{given.total_seconds():g} s"
            if exchange.resolving:
                return NoResponse(f"the name {target.host} was not resolved within {seconds}")
            return NoResponse(f"no complete answer within {seconds}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return NoResponse(in_words(error, target.host, target.port))

    async def _exchange(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None, ends_at: float
    ) -> Response:
        """Asks again, once, where a connection that was used before ended before the first byte of an answer."""
        exchange = current_exchange.get()
        while True:
            exchange.reused = False
            try:
                answer = await self._session().request(
                    method,
                    _exact_url(target),
                    headers={**headers, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                    data=body,
                    allow_redirects=False,
                    skip_auto_headers=("Accept", "Content-Type"),
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if isinstance(error, aiohttp.ClientConnectorError) or not exchange.reused or exchange.asked_again:
                    raise
                exchange.asked_again = True
                continue
            return await self._read(method, answer, ends_at)

    async def _read(self, method: str, answer: aiohttp.ClientResponse, ends_at: float) -> Response:
        retry_after = read_retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
        allowed_origin = answer.headers.get("WebHook-Allowed-Origin") if method == "OPTIONS" else None
        succeeded = 200 <= answer.status <= 299
        body = b""
        try:
            if answer.status not in _WITHOUT_BODY:
                body = await _beginning(answer, min(ends_at, time.monotonic() + BODY_SECONDS) if succeeded else ends_at)
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass  # the head was complete: the status stands, and what came of the body is only for the log
        finally:
            if (answer.status in _WITHOUT_BODY and _announces_body(answer)) or not answer.content.at_eof():
                answer.close()
            else:
                answer.release()
        return Response(answer.status, body.decode(errors="replace") or None, retry_after, allowed_origin)

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            session = self._sessions[loop] = aiohttp.ClientSession(
                connector=GuardedConnector(self._resolver, self._policy, self._tls or _tls_context()),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                max_line_size=_HEAD_BYTES,
                max_field_size=_HEAD_BYTES,
                max_headers=_MOST_HEADERS,
            )
        return session


async def _beginning(answer: aiohttp.ClientResponse, ends_at: float) -> bytes:
    """Up to RESPONSE_BYTES of the body, or what has come of it when it ends early or its time is over."""
    found = bytearray()
    try:
        async with asyncio.timeout(max(ends_at - time.monotonic(), 0)):
            while len(found) <= RESPONSE_BYTES:
                chunk = await answer.content.read(RESPONSE_BYTES + 1 - len(found))
                if not chunk:
                    break
                found += chunk
    except (aiohttp.ClientError, OSError, TimeoutError):
        answer.close()
    return bytes(found[:RESPONSE_BYTES])


def _announces_body(answer: aiohttp.ClientResponse) -> bool:
    """Whether an answer that has no body says that it has: what follows on that connection is not to be trusted."""
    length = answer.headers.get("Content-Length", "0").strip()
    return answer.status == 205 or length != "0" or "Transfer-Encoding" in answer.headers


def _exact_url(target: Target) -> URL:
    """A URL whose path and query aiohttp writes as they are, byte for byte."""
    return URL.build(scheme=target.scheme, host=target.host, port=target.port, path=target.path, encoded=True)


def _tls_context() -> ssl.SSLContext:
    """The system's authorities and Mozilla's: some machines have only one of the two."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
