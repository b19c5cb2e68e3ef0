"""Which connections are used again, and when they are closed."""

import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import trustme

from doubles.outbound import Outbound
from doubles.receivers import (
    LOOPBACK,
    Receiver,
    Script,
    answer,
    answering,
    closing,
    ok,
    read_request,
    reset,
    server_tls,
)
from shared.outbound.client import NoResponse, Response
from shared.outbound.failures import CLOSED
from unit.conftest import Receive
from unit.outbound.test_client_request import BODY, HEADERS, LOCAL, to_loopback

LONG = timedelta(seconds=20)
OK = Response(200, None, None)
OVER_TLS = pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
Tls = Callable[[bool], ssl.SSLContext | None]


@pytest.fixture
def outbound(trusting: ssl.SSLContext) -> Outbound:
    return Outbound(LOCAL, LONG, to_loopback, trusting)


@pytest.fixture
def tls(authority: trustme.CA) -> Tls:
    return lambda over_tls: server_tls(authority) if over_tls else None


@OVER_TLS
def test_a_connection_is_used_again(receive: Receive, outbound: Outbound, tls: Tls, over_tls: bool) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthird\r\n0\r\n\r\n"
    receiver = receive(answering(ok(b"first"), answer("204 No Content"), chunked, ok(b"fourth")), tls(over_tls))
    answers = [outbound.post(receiver.url(path), HEADERS, BODY) for path in ("/1", "/2", "/3", "/4")]
    assert answers == [Response(200, "first", None), Response(204, None, None)] + [
        Response(200, text, None) for text in ("third", "fourth")
    ]
    assert receiver.connections == 1
    assert [request.split(b" ")[1] for request in receiver.requests] == [b"/1", b"/2", b"/3", b"/4"]


def test_endpoints_of_different_names_share_no_connection(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(ok()))
    for host in ("one.example", "two.example"):
        assert isinstance(outbound.post(receiver.url(host=host), HEADERS, BODY), Response)
    assert receiver.connections == 2


@pytest.mark.parametrize("last", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_a_connection_that_the_receiver_ends_with_its_answer_is_not_used_again(
    receive: Receive, outbound: Outbound, last: bytes
) -> None:
    receiver = receive(answering(last + b"Content-Length: 0\r\n\r\n"))
    for _ in range(2):
        assert outbound.post(receiver.url(), HEADERS, BODY) == OK
    receiver.await_closed(5)
    assert receiver.connections == 2


# A connection that ends while a request is on its way


def ending_at_the_second_request(end: Callable[[socket.socket, Receiver], None]) -> Script:
    """The first connection answers one request and ends with the next; later ones answer all."""

    def script(connection: socket.socket, own: Receiver) -> None:
        first = own.connections == 1
        while (request := read_request(connection)) is not None:
            own.requests.append(request)
            if first and len(own.requests) == 2:
                end(connection, own)
                return
            connection.sendall(ok())

    return script


def close(connection: socket.socket, receiver: Receiver) -> None:
    """The ordinary end, without one of TLS."""


def unwrap(connection: socket.socket, receiver: Receiver) -> None:
    if isinstance(connection, ssl.SSLSocket):
        connection.unwrap()


@pytest.mark.parametrize("end", [close, unwrap, reset])
@pytest.mark.parametrize("body", [BODY, b"x" * 2**20], ids=["short", "long"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
@OVER_TLS
def test_a_used_connection_that_ends_before_an_answer_is_replaced(
    receive: Receive,
    outbound: Outbound,
    tls: Tls,
    end: Callable[[socket.socket, Receiver], None],
    body: bytes,
    method: str,
    over_tls: bool,
) -> None:
    receiver = receive(ending_at_the_second_request(end), tls(over_tls))
    assert outbound.post(receiver.url("/1"), HEADERS, BODY) == OK
    asked = (
        outbound.post(receiver.url("/2"), HEADERS, body) if method == "POST" else outbound.ask(receiver.url(), {}, LONG)
    )
    assert asked == OK
    assert receiver.connections == 2
    assert len(receiver.requests) == 3


@OVER_TLS
def test_a_connection_that_the_receiver_closed_meanwhile_costs_no_attempt(
    receive: Receive, outbound: Outbound, tls: Tls, over_tls: bool
) -> None:
    receiver = receive(closing(ok()), tls(over_tls))
    for _ in range(3):
        assert outbound.post(receiver.url(), HEADERS, BODY) == OK
        receiver.await_closed()
    assert receiver.connections == 3


def test_the_replacement_is_a_new_connection_although_others_are_idle(receive: Receive, outbound: Outbound) -> None:
    """Those may have ended just as well."""
    barrier: list[int] = []

    def script(connection: socket.socket, own: Receiver) -> None:
        number = own.connections
        while read_request(connection) is not None:
            barrier.append(number)
            while len(barrier) < 3 and not own.ending.is_set():
                own.ending.wait(0.01)
            if len(barrier) > 3 and number <= 3:
                return
            connection.sendall(ok())

    receiver = receive(script)
    with ThreadPoolExecutor(3) as threads:
        assert [
            each.result() for each in [threads.submit(outbound.post, receiver.url(), HEADERS, BODY) for _ in range(3)]
        ]
    assert receiver.connections == 3
    assert outbound.post(receiver.url(), HEADERS, BODY) == OK
    assert receiver.connections == 4


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\nX: y\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_after_a_byte_of_an_answer_nothing_is_sent_again(receive: Receive, outbound: Outbound, begun: bytes) -> None:
    receiver = receive(ending_at_the_second_request(lambda connection, own: connection.sendall(begun)))
    assert outbound.post(receiver.url(), HEADERS, BODY) == OK
    assert outbound.post(receiver.url(), HEADERS, BODY) == NoResponse(CLOSED)
    assert (receiver.connections, len(receiver.requests)) == (1, 2)


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_nothing_is_sent_again_on_account_of_a_new_connection(
    receive: Receive, outbound: Outbound, method: str
) -> None:
    receiver = receive(closing(b""))
    for number in (1, 2):
        asked = (
            outbound.post(receiver.url(), HEADERS, BODY) if method == "POST" else outbound.ask(receiver.url(), {}, LONG)
        )
        assert asked == NoResponse(CLOSED)
        assert (receiver.connections, len(receiver.requests)) == (number, number)


def test_a_request_is_sent_again_once(receive: Receive, outbound: Outbound) -> None:
    def script(connection: socket.socket, own: Receiver) -> None:
        while (request := read_request(connection)) is not None:
            own.requests.append(request)
            if len(own.requests) > 1:
                return
            connection.sendall(ok())

    receiver = receive(script)
    assert outbound.post(receiver.url(), HEADERS, BODY) == OK
    assert outbound.post(receiver.url(), HEADERS, BODY) == NoResponse(CLOSED)
    assert (receiver.connections, len(receiver.requests)) == (2, 3)


# Addresses


def test_the_address_that_worked_is_tried_first_next_time(receive: Receive) -> None:
    receiver = receive(closing(ok()))
    outbound = Outbound(LOCAL, LONG, lambda host, port: ["127.0.0.2", LOOPBACK])
    assert outbound.post(receiver.url(), HEADERS, BODY) == OK
    receiver.await_closed()
    try:
        other = socket.create_server(("127.0.0.2", receiver.port))
    except OSError:
        pytest.skip("this machine has one loopback address only")
    with other:
        assert outbound.post(receiver.url(), HEADERS, BODY) == OK
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert receiver.connections == 2
