"""Answers of every odd kind: a complete head counts, whatever stands in it and whatever becomes of the body."""

import socket
import ssl
import time
from datetime import timedelta

import pytest
import trustme

from doubles.outbound import Outbound
from doubles.receivers import (
    Receiver,
    Script,
    answer,
    answering,
    closing,
    dripping,
    ok,
    read_head,
    read_request,
    reset,
    server_tls,
)
from shared.outbound.client import NoResponse, Response
from shared.outbound.connection import Waits
from unit.conftest import Receive
from unit.outbound.test_client_request import BODY, HEADERS, LOCAL, to_loopback

LONG = timedelta(seconds=20)
OVER_TLS = pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])


@pytest.fixture
def outbound(trusting: ssl.SSLContext) -> Outbound:
    return Outbound(LOCAL, LONG, to_loopback, trusting, Waits(body=0.3))


def head_then_reset(connection: socket.socket, receiver: Receiver) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    reset(connection, receiver)


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
TROUBLED = {
    "dripping": (dripping(b"Content-Length: 1000\r\n\r\nabc", b"d"), "abc"),
    "dripping without a length": (dripping(b"\r\nabc", b"d"), "abc"),
    "dripping chunks": (dripping(CHUNKED + b"3\r\nabc\r\n", b"1\r\nd\r\n"), "abc"),
    "a dripping chunk length": (dripping(CHUNKED + b"3\r\nabc\r\n", b"0"), "abc"),
    "a dripping last answer": (dripping(b"Connection: close\r\nContent-Length: 1000\r\n\r\nabc", b"d"), "abc"),
    "a body that stops": (dripping(b"Content-Length: 1000\r\n\r\nabc", b""), "abc"),
    "chunks that stop": (dripping(CHUNKED + b"3\r\nabc\r\n", b""), "abc"),
    "cut": (closing(b"Content-Length: 1000\r\n\r\nabc"), ""),
    "chunks that are cut": (closing(CHUNKED + b"3\r\nabc\r\n"), ""),
    "no chunk": (answering(CHUNKED + b"zz\r\n"), ""),
    "no chunk after one": (answering(CHUNKED + b"3\r\nabc\r\nzz\r\n"), ""),
    "two lengths": (answering(b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"), ""),
    "length and chunks": (
        answering(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        "",
    ),
    "a length that is no number": (answering(b"Content-Length: three\r\n\r\nabc"), ""),
    "a length below nothing": (answering(b"Content-Length: -3\r\n\r\nabc"), ""),
    "a line that is no header": (answering(b"what is this\r\nContent-Length: 3\r\n\r\nabc"), ""),
    "a zero byte in a header": (answering(b"X: a\0b\r\nContent-Length: 3\r\n\r\nabc"), ""),
    "two kinds of encoding": (answering(b"Transfer-Encoding: gzip, chunked, what\r\n\r\nabc"), ""),
    "lines without returns": (answering(b"X: y\nContent-Length: 3\n\nabc"), ""),
}
"""What follows the status line, and how the body begins as far as it must have been kept."""


def with_status(script: Script, status: bytes) -> Script:
    """The script, with a status line put before what it sends first."""

    class Prefixing:
        def __init__(self, connection: socket.socket) -> None:
            self._connection, self._begun = connection, False

        def recv(self, size: int) -> bytes:
            return self._connection.recv(size)

        def sendall(self, data: bytes) -> None:
            self._connection.sendall(data if self._begun else b"HTTP/1.1 " + status + b"\r\n" + data)
            self._begun = True

    return lambda connection, receiver: script(Prefixing(connection), receiver)  # type: ignore[arg-type]


@pytest.mark.parametrize(("script", "begins"), TROUBLED.values(), ids=TROUBLED.keys())
@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "500 Oh", "429 Slow"])
@OVER_TLS
def test_a_complete_head_counts_whatever_becomes_of_the_body(
    receive: Receive,
    authority: trustme.CA,
    outbound: Outbound,
    script: Script,
    begins: str,
    status: str,
    over_tls: bool,
) -> None:
    receiver = receive(with_status(script, status.encode()), server_tls(authority) if over_tls else None)
    began = time.monotonic()
    result = outbound.post(receiver.url(), HEADERS, BODY)
    assert isinstance(result, Response)
    assert result.status == int(status[:3])
    assert (result.response or "").startswith(begins)
    assert time.monotonic() - began < 2, "the body was waited for too long"


def test_a_body_that_is_reset_changes_nothing(receive: Receive, outbound: Outbound) -> None:
    assert outbound.post(receive(head_then_reset).url(), HEADERS, BODY) == Response(200, None, None)


def test_a_deadline_in_the_middle_of_a_body_changes_nothing(receive: Receive) -> None:
    receiver = receive(dripping(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 99\r\n\r\nabc", b""))
    outbound = Outbound(LOCAL, timedelta(seconds=0.3), to_loopback)
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(503, "abc", timedelta(seconds=7))


def test_headers_are_read_where_the_body_is_wrongly_announced(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(b"HTTP/1.1 429 Slow\r\nretry-after:  9 \r\nContent-Length: x\r\n\r\n"))
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(429, None, timedelta(seconds=9))


MANY = {
    "101 lines": b"X: y\r\n" * 101,
    "5,000 lines": b"X: y\r\n" * 5000,
    "a line of 99,999": b"X: " + b"y" * 99_999 + b"\r\n",
    "20 lines of 10,000": (b"X: " + b"y" * 10_000 + b"\r\n") * 20,
    "100 cookies": b"Set-Cookie: a=b; Path=/\r\n" * 100,
}


@pytest.mark.parametrize("lines", MANY.values(), ids=MANY.keys())
@pytest.mark.parametrize("last", [False, True], ids=["kept", "closed"])
@OVER_TLS
def test_many_header_lines_or_a_long_one_are_no_failure(
    receive: Receive, authority: trustme.CA, outbound: Outbound, lines: bytes, last: bool, over_tls: bool
) -> None:
    kind = closing if last else answering
    script = kind(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 3\r\nRetry-After: 5\r\n\r\nabc")
    receiver = receive(script, server_tls(authority) if over_tls else None)
    result = outbound.post(receiver.url(), HEADERS, BODY)
    assert isinstance(result, Response)
    assert (result.status, result.retry_after) == (200, timedelta(seconds=5))


# Interim answers

EARLY = ["100 Continue", "102 Processing", "103 Early Hints\r\nLink: </style.css>; rel=preload", "199 What"]


@pytest.mark.parametrize("early", EARLY)
@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
def test_interim_answers_are_passed_over(receive: Receive, outbound: Outbound, early: str, apart: bool) -> None:
    interim = f"HTTP/1.1 {early}\r\n\r\n".encode()

    def script(connection: socket.socket, own: Receiver) -> None:
        while (request := read_request(connection)) is not None:
            path = request.split(b" ")[1]
            if apart:
                connection.sendall(interim)
                own.ending.wait(0.05)
                connection.sendall(interim[:9])
                own.ending.wait(0.05)
                connection.sendall(interim[9:] + ok(path, "WebHook-Allowed-Origin: *"))
            else:
                connection.sendall(interim * 2 + ok(path, "WebHook-Allowed-Origin: *"))

    receiver = receive(script)
    assert outbound.post(receiver.url("/first"), HEADERS, BODY) == Response(200, "/first", None)
    assert outbound.ask(receiver.url("/asked"), {}, LONG) == Response(200, "/asked", None, "*")
    assert outbound.post(receiver.url("/second"), HEADERS, BODY) == Response(200, "/second", None)
    assert receiver.connections == 1


def test_a_change_of_protocol_is_a_failure_in_words(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"))
    expected = NoResponse("the receiver answered 101 to change the protocol: it must answer a POST with 2xx")
    assert outbound.post(receiver.url(), HEADERS, BODY) == expected
    assert outbound.ask(receiver.url(), {}, LONG) == expected


# Answers without a body

BODILESS = ["204 No Content", "205 Reset Content", "304 Not Modified"]
ANNOUNCED = {
    "nothing": b"\r\n",
    "a length": b"Content-Length: 5\r\n\r\n",
    "a length, and a body": b"Content-Length: 5\r\n\r\nhello",
    "chunks": b"Transfer-Encoding: chunked\r\n\r\n",
    "chunks, and some": b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "nothing, but a body": b"\r\nhello",
    "nothing, but a letter": b"\r\nH",
    "nothing, but an answer": b"\r\nHTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("status", BODILESS)
@pytest.mark.parametrize("announced", ANNOUNCED.values(), ids=ANNOUNCED.keys())
def test_some_answers_have_no_body_and_leave_nothing_to_the_next_event(
    receive: Receive, outbound: Outbound, status: str, announced: bytes
) -> None:
    receiver = receive(answering(f"HTTP/1.1 {status}\r\n".encode() + announced, ok(b"second"), ok(b"third")))
    began = time.monotonic()
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(int(status[:3]), None, None)
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, "second", None)
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, "third", None)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("excess", [b"x", b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"], ids=["a byte", "an answer"])
@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@OVER_TLS
def test_what_comes_after_an_answer_is_not_taken_for_the_next(
    receive: Receive, authority: trustme.CA, outbound: Outbound, excess: bytes, late: bool, over_tls: bool
) -> None:
    def script(connection: socket.socket, own: Receiver) -> None:
        while (request := read_request(connection)) is not None:
            own.requests.append(request)
            connection.sendall(ok(b"right") if late else ok(b"right") + excess)
            if late:
                own.ending.wait(0.05)
                connection.sendall(excess)

    receiver = receive(script, server_tls(authority) if over_tls else None)
    for _ in range(3):
        assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, "right", None)
        receiver.await_closed(5)
    assert receiver.connections == 3


# Answers that come before the request was read


@pytest.mark.parametrize("status", ["401 Unauthorized", "413 Content Too Large", "202 Accepted"])
@OVER_TLS
def test_an_answer_before_the_body_was_read_is_read(
    receive: Receive, authority: trustme.CA, outbound: Outbound, status: str, over_tls: bool
) -> None:
    def script(connection: socket.socket, own: Receiver) -> None:
        read_head(connection)
        connection.sendall(answer(status, b"early"))

    receiver = receive(script, server_tls(authority) if over_tls else None)
    for _ in range(10):
        assert outbound.post(receiver.url(), HEADERS, b"x" * 2**22) == Response(int(status[:3]), "early", None)
