"""aiohttp's session, with all switched off that a delivery must not have: proxies, cookies, unpacking, repeating."""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from shared import __version__
from shared.outbound.addresses import AddressPolicy
from shared.outbound.connection import GuardedConnector, Waits
from shared.outbound.failures import ConnectionEnded
from shared.outbound.relay import HEAD_BYTES
from shared.outbound.resolver import Resolver

OWN_HEADERS = {"User-Agent": f"TenantHooks/{__version__}", "Accept-Encoding": "identity"}
"""Of every request, whatever else is given."""

_MOST_HEADERS = 1000
"""aiohttp reads no more; the head counts all the same."""

_PART_BYTES = 64 * 1024
"""A longer body is written in parts, between which the loop has its turn."""


def open_session(resolver: Resolver, policy: AddressPolicy, tls: ssl.SSLContext, waits: Waits) -> aiohttp.ClientSession:
    """A session on the running loop. To be closed on it."""
    return aiohttp.ClientSession(
        connector=GuardedConnector(resolver, policy, tls, waits),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        skip_auto_headers=("Accept", "Content-Type"),
        cookie_jar=_NoCookies(),
        middlewares=(_ask_once,),
        trust_env=False,
        auto_decompress=False,
        max_line_size=HEAD_BYTES,
        max_field_size=HEAD_BYTES,
        max_headers=_MOST_HEADERS,
    )


class Body(Payload):
    """A request's body. A long one is written in parts. Where the connection ends meanwhile, so does the writing, and
    without an error: whoever waits for the answer learns why, and may find one that came early."""

    _value: bytes

    def __init__(self, value: bytes) -> None:
        super().__init__(value)
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            if len(self._value) <= _PART_BYTES:
                await writer.write(self._value)
            else:
                await self._write_in_parts(writer)

    async def _write_in_parts(self, writer: AbstractStreamWriter) -> None:
        whole = memoryview(self._value)
        for begin in range(0, len(whole), _PART_BYTES):
            await writer.write(whole[begin : begin + _PART_BYTES])
            await writer.drain()
            await asyncio.sleep(0)  # an answer that comes early is read before the connection is written to again


class _NoCookies(aiohttp.DummyCookieJar):
    """Does not even read them: aiohttp logs those that it cannot."""

    def update_cookies_from_headers(self, headers: Sequence[str], response_url: URL) -> None:
        return


async def _ask_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp would repeat an OPTIONS request on its own, whatever its connection was."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ClientConnectionResetError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionEnded from error
