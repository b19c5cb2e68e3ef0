"""The loop is everybody's: no receiver, and nothing sent to one, keeps it for more than a few milliseconds."""

import asyncio
import gc
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import timedelta

import pytest
import trustme

from doubles.receivers import Script, answering, ok, server_tls, silent
from shared.outbound import client as client_module
from shared.outbound.client import NoResponse, Response, WebhookClient
from unit.conftest import Receive
from unit.outbound.test_client_hostile import BLOCK, CHUNKED, OK, flooding
from unit.outbound.test_client_request import BODY, HEADERS, LOCAL, to_loopback

LONGEST_SECONDS = 0.02
"""Of processor time, between two turns of the loop. What was measured is a third of it at most."""

EMPTY = b"Content-Length: 0\r\n\r\n"
HARD = {
    "a small answer": answering(ok(b"fine")),
    "chunks of one byte": flooding(CHUNKED, b"1\r\nz\r\n" * 10_000),
    "one chunk": flooding(CHUNKED + b"e8d4a51000\r\n"),
    "a body without end": flooding(OK + b"\r\n", BLOCK * 4),
    "headers without end": flooding(OK, b"X:y\r\n" * 50_000),
    "5,000 headers": answering(OK + b"X:y\r\n" * 5000 + EMPTY),
    "1,000 headers": answering(OK + b"X:y\r\n" * 990 + EMPTY),
    "a header without end": flooding(OK + b"X: ", BLOCK * 4),
    "a long header": answering(OK + b"X: " + b"y" * 250_000 + b"\r\n" + EMPTY),
    "cookies": answering(OK + b"Set-Cookie: a=b; Path=/; Secure\r\n" * 900 + EMPTY),
    "interim answers without end": flooding(b"", b"HTTP/1.1 102 P\r\n\r\n" * 10_000),
    "trailers without end": flooding(CHUNKED + b"1\r\nz\r\n0\r\n", b"X:y\r\n" * 50_000),
    "lines without end": flooding(b"\n" * 100, b"\n" * 50_000),
}


class Turns:
    """Watches the turns of the running loop."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self._loop = asyncio.get_running_loop()
        self._since = time.thread_time()
        self._handle = self._loop.call_soon(self._next)

    def _next(self) -> None:
        now = time.thread_time()
        self.longest_seconds = max(self.longest_seconds, now - self._since)
        self._since = now
        self._handle = self._loop.call_soon(self._next)

    def stop(self) -> None:
        self._handle.cancel()


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    """A collection of all that the other tests have left would be counted too."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def longest_turn(client: WebhookClient, warming_url: str, url: str, body: bytes) -> tuple[object, float]:
    """What a POST comes to, and the longest that it kept the loop, in seconds of processor time."""
    try:
        await client.post(warming_url, HEADERS, BODY)
        turns = Turns()
        result = await client.post(url, HEADERS, body)
        turns.stop()
        return result, turns.longest_seconds
    finally:
        await client.close()


@pytest.mark.parametrize("script", HARD.values(), ids=HARD.keys())
@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_no_answer_keeps_the_loop(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext, script: Script, over_tls: bool
) -> None:
    warming, receiver = receive(answering(ok())), receive(script, server_tls(authority) if over_tls else None)
    client = WebhookClient(LOCAL, timedelta(seconds=20), to_loopback, trusting)
    result, seconds = asyncio.run(longest_turn(client, warming.url(), receiver.url(), BODY))
    assert isinstance(result, Response | NoResponse)
    assert seconds < LONGEST_SECONDS


@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_no_request_keeps_the_loop(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext, over_tls: bool
) -> None:
    warming, receiver = receive(answering(ok())), receive(answering(ok()), server_tls(authority) if over_tls else None)
    client = WebhookClient(LOCAL, timedelta(seconds=60), to_loopback, trusting)
    result, seconds = asyncio.run(longest_turn(client, warming.url(), receiver.url(), b"x" * 2**25))
    assert result == Response(200, None, None)
    assert seconds < LONGEST_SECONDS


def test_the_authorities_are_read_off_the_loop(monkeypatch: pytest.MonkeyPatch, receive: Receive) -> None:
    read = client_module.tls_context
    where: list[threading.Thread] = []

    def watched() -> ssl.SSLContext:
        where.append(threading.current_thread())
        return read()

    monkeypatch.setattr(client_module, "tls_context", watched)
    receiver = receive(answering(ok()))
    client = WebhookClient(LOCAL, timedelta(seconds=20), to_loopback)

    async def post_twice_at_once() -> list[Response | NoResponse]:
        try:
            return await asyncio.gather(*(client.post(receiver.url(), HEADERS, BODY) for _ in range(2)))
        finally:
            await client.close()

    assert asyncio.run(post_twice_at_once()) == [Response(200, None, None)] * 2
    assert len(where) == 1
    assert where[0] is not threading.current_thread()


def test_a_client_that_is_closed_leaves_nothing_open(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    receivers = receive(answering(ok())), receive(answering(ok()), server_tls(authority)), receive(silent)
    client = WebhookClient(LOCAL, timedelta(seconds=0.3), to_loopback, trusting)

    async def post_to_all() -> list[Response | NoResponse]:
        try:
            return await asyncio.gather(*(client.post(each.url(), HEADERS, BODY) for each in receivers))
        finally:
            await client.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        assert [type(result) for result in asyncio.run(post_to_all())] == [Response, Response, NoResponse]
        gc.collect()
    for each in receivers[:2]:
        each.await_closed(5)
