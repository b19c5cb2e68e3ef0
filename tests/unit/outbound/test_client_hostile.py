"""Receivers that mean harm: each attempt ends in time, and what they send without end is never held."""

import gzip
import itertools
import logging
import socket
import ssl
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
import trustme

from doubles.outbound import Outbound
from doubles.receivers import LOOPBACK, Receiver, Script, answering, header_of, ok, read_request, server_tls
from shared.outbound.client import RESPONSE_BYTES, NoResponse, Response
from unit.conftest import Receive
from unit.outbound.test_client_failure import CLOSED, LONG, PATH, SECONDS, SHORT, TOO_LATE
from unit.outbound.test_client_request import BODY, HEADERS, LOCAL, to_loopback

HELD_BYTES = 4 * 2**20
"""More than one attempt may hold at any moment, and far less than what these receivers send."""

BLOCK = b"z" * 2**16


def flooding(start: bytes, block: bytes = BLOCK) -> Script:
    """Reads the request, sends `start`, then `block` again and again until the other side has enough."""

    def script(connection: socket.socket, receiver: Receiver) -> None:
        read_request(connection)
        connection.sendall(start)
        while not receiver.ending.is_set():
            connection.sendall(block)

    return script


OK, CHUNKED = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
KEPT = Response(200, "z" * RESPONSE_BYTES, None)
BEGUN = Response(200, "z", None)
TOO_LONG = NoResponse("the answer's headers did not come to an end: the receiver must send fewer")
FLOODS = {
    "a body without end": (flooding(OK + b"\r\n"), KEPT),
    "a body of a terabyte": (flooding(OK + b"Content-Length: 1000000000000\r\n\r\n"), KEPT),
    "a chunk of a terabyte": (flooding(CHUNKED + b"e8d4a51000\r\n"), KEPT),
    "a status line without end": (flooding(b"HTTP/1.1 200 "), TOO_LONG),
    "headers without end": (flooding(OK, b"X-More: and more\r\n" * 1000), TOO_LONG),
    "a header without end": (flooding(OK + b"X-Long: "), TOO_LONG),
    "a chunk length without end": (flooding(CHUNKED + b"1;"), Response(200, None, None)),
    "trailers without end": (flooding(CHUNKED + b"1\r\nz\r\n0\r\n", b"X-More: and more\r\n" * 1000), BEGUN),
    "chunks of one byte": (flooding(CHUNKED, b"1\r\nz\r\n" * 1000), KEPT),
    "provisional answers without end": (flooding(b"", b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 1000), TOO_LONG),
}


@pytest.fixture
def measured() -> Iterator[None]:
    """Fails the test where it held more than HELD_BYTES at once, what its receiver holds included."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < HELD_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(("script", "expected"), FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_ends_the_attempt_and_is_not_held(
    receive: Receive, script: Script, expected: Response | NoResponse
) -> None:
    outbound = Outbound(LOCAL, LONG, to_loopback)
    began = time.monotonic()
    assert outbound.post(receive(script).url(PATH), HEADERS, BODY) == expected
    assert time.monotonic() - began < SECONDS + 2


@pytest.mark.usefixtures("measured")
def test_a_compressed_bomb_is_not_unpacked(receive: Receive) -> None:
    bomb = gzip.compress(b"\0" * 2**20) * 64
    receiver = receive(answering(ok(bomb, "Content-Encoding: gzip")))
    expected = bomb[:RESPONSE_BYTES].decode(errors="replace")
    assert Outbound(LOCAL, LONG, to_loopback).post(receiver.url(PATH), HEADERS, BODY) == Response(200, expected, None)
    assert header_of(receiver.requests[0], "accept-encoding") == "identity"


def test_a_connection_that_is_closed_half_way_is_no_answer(receive: Receive) -> None:
    """The receiver says that it will never send, and keeps the connection."""

    def script(connection: socket.socket, receiver: Receiver) -> None:
        connection.shutdown(socket.SHUT_WR)
        receiver.ending.wait()

    assert Outbound(LOCAL, LONG, to_loopback).post(receive(script).url(PATH), HEADERS, BODY) == CLOSED


def test_a_receiver_that_takes_no_connection_is_cut_off() -> None:
    with socket.create_server((LOOPBACK, 0), backlog=0) as listener, ExitStack() as waiting:
        for _ in range(4):  # nobody accepts these: no place is left in line
            other = waiting.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        began = time.monotonic()
        result = Outbound(LOCAL, SHORT, to_loopback).post(f"http://receiver.example:{port}{PATH}", HEADERS, BODY)
        assert result == TOO_LATE
        assert time.monotonic() - began < SECONDS + 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_receiver_that_speaks_only_old_tls_gets_nothing(
    receive: Receive, authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    tls = server_tls(authority)
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = tls.maximum_version = version
    receiver = receive(answering(ok()), tls)
    result = Outbound(LOCAL, LONG, to_loopback).post(receiver.url(PATH), HEADERS, BODY)
    assert isinstance(result, NoResponse)
    assert result.error == "TLS failed: the receiver's version of TLS is too old: it must speak TLS 1.2 or 1.3"
    assert receiver.requests == []


def test_what_a_receiver_sends_is_never_logged(receive: Receive, caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 warned of malformed headers with their bytes, which are the receiver's to choose."""
    malformed = (
        OK + b"X-One: hidden\r\nhidden without a colon\r\nX-Two: hidden\r\nContent-Length: 6\r\n\r\nhidden",
        b"hidden\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nhidden\r\n",
    )
    with caplog.at_level(logging.DEBUG):
        for answer, path in itertools.product(malformed, (PATH, "/hidden")):
            receiver = receive(answering(answer))
            Outbound(LOCAL, timedelta(seconds=0.2), to_loopback).post(receiver.url(path), HEADERS, BODY)
    assert "hidden" not in caplog.text
