"""An issuer's public keys: known ones are there at once; unknown ones are asked after in time, by few at a time."""

import asyncio
import functools
import json
import re
import threading
import time
from concurrent.futures import Future, wait
from typing import Any

import aiohttp
import jwt

from shared import __version__
from shared.api.http.problem import Problem
from shared.outbound.background import BackgroundLoop
from shared.outbound.client import tls_context

REFRESH_EVERY = 3600.0
REFRESH_COOLDOWN = 10.0
"""Seconds from the beginning of one fetch to the earliest beginning of the next."""
DEADLINE = 5.0
"""Seconds for the whole of a fetch: name, connection, TLS, headers, body. Nobody waits longer for it."""
MOST_WAITING = 4
"""Callers that may wait for an unknown key while others are known: each holds one of the worker's threads."""
MOST_BYTES = 256 * 1024
"""Entra's list has about 10 KiB."""

_LATE = 0.5
"""Seconds by which a fetch may end late on a busy machine."""
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{1,2000}")
_LOOP = BackgroundLoop()


class Keys:
    """The public keys at a URL, fetched again for an unknown one (at most once in a while) and now and then."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._lock = threading.Lock()
        self._waiting = threading.Semaphore(MOST_WAITING)
        self._fetched_at = self._began_at = float("-inf")
        self._fetch: Future[bool] | None = None

    def key(self, kid: str) -> jwt.PyJWK | None:
        """None where the issuer does not publish it; Problem 503 where that cannot be found out, or not yet. Returns a
        key that is known at once, whatever the key server does."""
        known = self._keys.get(kid)
        if known is not None:
            if time.monotonic() - self._fetched_at >= REFRESH_EVERY:
                self._latest_fetch()
            return known
        fetch = self._latest_fetch()
        if not fetch.done():
            self._wait_for(fetch)
        found = self._keys.get(kid)
        if found is None and not (fetch.done() and fetch.result()):
            raise _unavailable("The token issuer's keys cannot be fetched: try again later", 10)
        return found

    def _latest_fetch(self) -> "Future[bool]":
        """The fetch that is under way or has just ended, else a new one: whether it brought keys."""
        with self._lock:
            now = time.monotonic()
            over = self._fetch is None or (self._fetch.done() and now - self._began_at >= REFRESH_COOLDOWN)
            if self._fetch is None or over:
                self._began_at = now
                self._fetch = _LOOP.begin(self._renew())
            return self._fetch

    def _wait_for(self, fetch: "Future[bool]") -> None:
        """Until the fetch has ended or its time is up. Before there are any keys everybody waits: nobody could be let
        in meanwhile. Later few may, lest unknown keys take the threads of callers whose keys are known."""
        few = bool(self._keys)
        if few and not self._waiting.acquire(blocking=False):
            raise _unavailable("Many tokens of unknown keys are being looked at: try again", 1)
        try:
            wait([fetch], max(0.0, self._began_at + DEADLINE + _LATE - time.monotonic()))
        finally:
            if few:
                self._waiting.release()

    async def _renew(self) -> bool:
        try:
            async with asyncio.timeout(DEADLINE):
                text = await _get(self._url)
            self._keys = read_keys(json.loads(text))
        except (aiohttp.ClientError, OSError, ValueError, RecursionError):  # OSError: TimeoutError too
            return False
        self._fetched_at = time.monotonic()
        return True


@functools.cache
def keys_at(url: str) -> Keys:
    """The keys at a URL, the same for the whole process."""
    return Keys(url)


def read_keys(document: object) -> dict[str, jwt.PyJWK]:
    """The RS256 keys of a JSON Web Key Set (RFC 7517), by name; what is no such key is passed over. Raises ValueError
    where it is no set, or has no such key."""
    listed = document.get("keys") if isinstance(document, dict) else None
    found = {kid: key for each in (listed if isinstance(listed, list) else ()) for kid, key in _read_key(each)}
    if not found:
        raise ValueError("no JSON Web Key Set with a key for RS256")
    return found


def _read_key(given: Any) -> list[tuple[str, jwt.PyJWK]]:
    if not isinstance(given, dict) or given.get("kty") != "RSA" or given.get("alg", "RS256") != "RS256":
        return []
    kid = given.get("kid")
    parts = {name: given.get(name) for name in ("n", "e")}
    if not (
        isinstance(kid, str) and kid and all(isinstance(p, str) and _BASE64URL.fullmatch(p) for p in parts.values())
    ):
        return []
    try:
        return [(kid, jwt.PyJWK({"kty": "RSA", **parts}, algorithm="RS256"))]
    except (jwt.PyJWTError, ValueError):
        return []


async def _get(url: str) -> bytes:
    """The body of a 200. Raises ClientError or OSError where there is none, ValueError where it is too long."""
    connector = aiohttp.TCPConnector(ssl=tls_context() if url.startswith("https:") else True, force_close=True)
    headers = {"User-Agent": f"TenantHooks/{__version__}"}
    async with (
        aiohttp.ClientSession(connector=connector, auto_decompress=False, headers=headers) as session,
        session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as answer,
    ):
        if answer.status != 200:
            raise ValueError(f"the key server answered {answer.status}")
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ValueError(f"the key server answered more than {MOST_BYTES} bytes")
        return bytes(body)


def _unavailable(detail: str, seconds: int) -> Problem:
    return Problem(503, "unavailable", detail, headers={"Retry-After": str(seconds)})
