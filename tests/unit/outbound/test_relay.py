"""What stands between a connection and aiohttp, by itself: what a head costs that comes in many parts."""

import asyncio
import itertools
import socket
import time

import pytest

from shared.outbound.exchange import Exchange
from shared.outbound.failures import INVALID
from shared.outbound.idle import IdleConnections
from shared.outbound.relay import Relay

LONG = b"y" * 200_000


class Reader:
    """Keeps what is passed on."""

    should_close = False

    def __init__(self) -> None:
        self.received = bytearray()

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> None: ...
    def connection_lost(self, exc: BaseException | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def force_close(self) -> None: ...


async def take(exchange: Exchange, *parts: bytes) -> tuple[bytes, float]:
    """What is passed on of an answer that comes in these parts, and the seconds of processor time that they take."""
    ours, theirs = socket.socketpair()
    with theirs:
        loop, reader = asyncio.get_running_loop(), Reader()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ours)
        relay = Relay(transport, reader, IdleConnections(loop, 1, 1), 1)
        relay.begin(exchange)
        began = time.thread_time()
        for part in parts:
            relay.data_received(part)
        seconds = time.thread_time() - began
        relay.connection_lost(None)
        transport.abort()
        return bytes(reader.received), seconds


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(("http", "receiver.example", 80))


def test_a_long_status_line_is_looked_at_once_however_many_parts_follow(exchange: Exchange) -> None:
    """It took 0.2 ms for each byte that came by itself: a third of the loop's time, for one receiver."""
    begun, end = b"HTTP/1.1 200 " + LONG + b"\r\nX: ", b"\r\n\r\n"
    received, seconds = asyncio.run(take(exchange, begun, *itertools.repeat(b"z", 5000), end))
    assert received == begun + b"z" * 5000 + end
    assert seconds < 0.2


def test_what_follows_an_interim_answer_must_begin_with_a_status_line_again(exchange: Exchange) -> None:
    asyncio.run(take(exchange, b"HTTP/1.1 103 Early Hints\r\n", b"X: y\r\n\r\n", b"SSH-2.0\r\n"))
    assert exchange.failure == INVALID
