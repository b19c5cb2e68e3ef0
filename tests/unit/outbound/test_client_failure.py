"""What a receiver may do: every attempt ends, in time and in an admin's words."""

import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import trustme

from doubles.outbound import Outbound
from doubles.receivers import (
    LOOPBACK,
    Receiver,
    Script,
    answering,
    closing,
    dripping,
    ok,
    read_request,
    reset,
    server_tls,
    silent,
)
from shared.outbound.client import NoResponse, Response
from unit.conftest import Receive
from unit.outbound.test_client_request import BODY, HEADERS, LOCAL, to_loopback

SECONDS, BRIEF = 0.4, 0.25
"""The deadline of attempts that are to meet it; the brief one leaves no time for anything else."""

TOO_LATE = NoResponse("no complete answer within 0.4 s")
SHORT = timedelta(seconds=SECONDS)
LONG = timedelta(seconds=20)
PATH = "/hook?code=hidden"
CLOSED = NoResponse("the connection was closed before an answer came")
INVALID = NoResponse("the answer was not valid HTTP")
OTHER_PROTOCOL = NoResponse("the receiver answered 101 to change the protocol: it must answer a POST with 2xx")


def after_request(connection: socket.socket, receiver: Receiver) -> None:
    read_request(connection)
    receiver.ending.wait()


SLOW = {
    "no answer": after_request,
    "a dripping status line": dripping(b"HTTP/1.1 200 ", b"O"),
    "a dripping header": dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
    "endless provisional answers": dripping(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a provisional answer alone": dripping(b"HTTP/1.1 103 Early Hints\r\n\r\n", b""),
}
"""What comes to no complete head."""


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW.keys())
@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_whatever_is_slow_is_cut_off_at_the_deadline(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext, script: Script, over_tls: bool
) -> None:
    receiver = receive(script, server_tls(authority) if over_tls else None)
    outbound = Outbound(LOCAL, timedelta(seconds=BRIEF), to_loopback, trusting)
    began = time.monotonic()
    assert outbound.post(receiver.url(PATH), HEADERS, BODY) == NoResponse(f"no complete answer within {BRIEF} s")
    assert BRIEF * 0.9 < time.monotonic() - began < BRIEF + 1


def test_a_handshake_that_never_comes_is_cut_off(receive: Receive) -> None:
    receiver = receive(silent)
    url = receiver.url(PATH).replace("http://", "https://")
    began = time.monotonic()
    assert Outbound(LOCAL, SHORT, to_loopback).post(url, HEADERS, BODY) == TOO_LATE
    assert time.monotonic() - began < SECONDS + 1


def test_a_receiver_that_does_not_read_is_cut_off(receive: Receive) -> None:
    receiver = receive(silent)
    began = time.monotonic()
    assert Outbound(LOCAL, SHORT, to_loopback).post(receiver.url(PATH), HEADERS, b"x" * 2**25) == TOO_LATE
    assert time.monotonic() - began < SECONDS + 1


def test_after_a_cut_the_next_attempt_is_made_on_a_new_connection(receive: Receive) -> None:
    drip = dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a")

    def script(connection: socket.socket, own: Receiver) -> None:
        (drip if own.connections == 1 else answering(ok(b"well again")))(connection, own)

    receiver = receive(script)
    outbound = Outbound(LOCAL, SHORT, to_loopback)
    assert outbound.post(receiver.url(PATH), HEADERS, BODY) == TOO_LATE
    assert outbound.post(receiver.url(PATH), HEADERS, BODY) == Response(200, "well again", None)


def test_what_was_not_written_at_the_deadline_is_not_written_later(receive: Receive) -> None:
    """It kept the connection open for as long as the receiver pleased."""
    over, read = threading.Event(), list[bytes]()

    def script(connection: socket.socket, own: Receiver) -> None:
        over.wait()
        while part := connection.recv(2**20):
            read.append(part)

    receiver = receive(script)
    try:
        assert Outbound(LOCAL, SHORT, to_loopback).post(receiver.url(PATH), HEADERS, b"x" * 2**25) == TOO_LATE
    finally:
        over.set()
    receiver.await_closed(5)
    assert sum(map(len, read)) < 2**24


def test_an_answer_in_time_is_not_touched_by_the_deadlines_of_others(receive: Receive) -> None:
    slow, fast = receive(after_request), receive(answering(ok()))
    outbound = Outbound(LOCAL, SHORT, to_loopback)
    with ThreadPoolExecutor(4) as threads:
        late = [threads.submit(outbound.post, slow.url(), HEADERS, BODY) for _ in range(3)]
        while not all(each.done() for each in late):
            assert outbound.post(fast.url(), HEADERS, BODY) == Response(200, None, None)
    assert [each.result() for each in late] == [TOO_LATE] * 3
    assert fast.connections == 1


# What is no answer


def resetting(connection: socket.socket, receiver: Receiver) -> None:
    read_request(connection)
    reset(connection, receiver)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(resetting, CLOSED, id="reset"),
        pytest.param(lambda connection, own: read_request(connection), CLOSED, id="closed"),
        pytest.param(answering(b"SSH-2.0-OpenSSH_9.6\r\n"), INVALID, id="another protocol"),
        pytest.param(answering(b"HTTP/1.1 OK\r\n\r\n"), INVALID, id="no status"),
        pytest.param(answering(b"HTTP/2.0 200 OK\r\n\r\n"), INVALID, id="another version"),
        pytest.param(answering(b"\0\0\x12\4\0\0\0\0\0"), INVALID, id="the beginning of HTTP/2"),
        pytest.param(closing(b"HTTP/1.1 200 OK\r\nX: y\r\n"), CLOSED, id="half a head"),
        pytest.param(closing(b"HTTP/1.1 102 Processing\r\n\r\n"), CLOSED, id="only a provisional answer"),
        pytest.param(answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), OTHER_PROTOCOL, id="101"),
    ],
)
def test_what_is_not_http_is_no_answer(receive: Receive, script: Script, expected: NoResponse) -> None:
    receiver = receive(script)
    assert Outbound(LOCAL, LONG, to_loopback).post(receiver.url(PATH), HEADERS, BODY) == expected


def test_a_port_where_nobody_listens_is_named() -> None:
    with socket.socket() as reserved:
        reserved.bind((LOOPBACK, 0))
        port = reserved.getsockname()[1]
        result = Outbound(LOCAL, LONG, to_loopback).post(f"http://receiver.example:{port}{PATH}", HEADERS, BODY)
    assert result == NoResponse(f"no connection to receiver.example port {port}: connection refused")
