"""Which connections are used again, and when they are closed."""

import socket
import ssl
import time
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
    receiving,
    reset,
    server_tls,
)
from shared.outbound.client import NoResponse, Response
from shared.outbound.connection import USUAL_WAITS, Waits
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


# Idle connections


@OVER_TLS
def test_an_idle_connection_is_closed(receive: Receive, trusting: ssl.SSLContext, tls: Tls, over_tls: bool) -> None:
    """A request that crossed with the receiver's closing of the connection cost an attempt."""
    assert USUAL_WAITS.idle == 4
    receiver = receive(answering(ok()), tls(over_tls))
    outbound = Outbound(LOCAL, LONG, to_loopback, trusting, Waits(idle=0.3))
    for _ in range(2):
        assert outbound.post(receiver.url(), HEADERS, BODY) == OK
    assert receiver.connections == 1
    receiver.await_closed(5)
    assert outbound.post(receiver.url(), HEADERS, BODY) == OK
    assert receiver.connections == 2


def test_a_connection_in_use_is_not_closed_as_idle(receive: Receive) -> None:
    def script(connection: socket.socket, own: Receiver) -> None:
        while read_request(connection) is not None:
            own.ending.wait(0.3)
            connection.sendall(ok())

    receiver = receive(script)
    outbound = Outbound(LOCAL, LONG, to_loopback, waits=Waits(idle=0.1))
    for _ in range(2):
        assert outbound.post(receiver.url(), HEADERS, BODY) == OK
    assert receiver.connections == 1


def test_an_idle_connection_is_closed_although_its_receiver_takes_no_part(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """The end of TLS is an exchange of its own, and half a minute is given to it."""

    def script(connection: socket.socket, own: Receiver) -> None:
        read_request(connection)
        connection.sendall(ok())
        raw = own.open[0]
        while raw.recv(65536):  # without an answer to what it says
            pass

    with receiving(script, server_tls(authority)) as receiver:
        outbound = Outbound(LOCAL, LONG, to_loopback, trusting, Waits(idle=0.1))
        assert outbound.post(receiver.url(), HEADERS, BODY) == OK
        receiver.await_closed(5)


# Receivers that serve one connection at a time


def all_at_once(outbound: Outbound, receiver: Receiver, number: int) -> float:
    """Posts; returns the seconds until the last was answered."""
    began = time.monotonic()
    with ThreadPoolExecutor(number) as threads:
        posts = [threads.submit(outbound.post, receiver.url(), HEADERS, BODY) for _ in range(number)]
        assert {post.result() for post in posts} == {OK}
    return time.monotonic() - began


@OVER_TLS
def test_a_receiver_of_one_connection_at_a_time_is_not_kept_waiting(
    trusting: ssl.SSLContext, tls: Tls, over_tls: bool
) -> None:
    """It served nobody else for as long as a connection to it was kept."""
    with receiving(answering(ok()), tls(over_tls), one_at_a_time=True) as receiver:
        outbound = Outbound(LOCAL, LONG, to_loopback, trusting, Waits(idle=30, patience=0.3))
        assert 0.3 < all_at_once(outbound, receiver, 4) < 2
        assert all_at_once(outbound, receiver, 4) < 0.3, "it is known now"
        receiver.await_closed(5)


def test_connections_are_kept_again_after_a_while() -> None:
    with receiving(answering(ok()), one_at_a_time=True) as receiver:
        outbound = Outbound(LOCAL, LONG, to_loopback, waits=Waits(idle=30, patience=0.2, alone=0.4))
        all_at_once(outbound, receiver, 2)
        time.sleep(0.5)
        before = receiver.connections
        for _ in range(3):
            assert outbound.post(receiver.url(), HEADERS, BODY) == OK
        assert receiver.connections == before + 1


def test_a_slow_receiver_keeps_the_connections_that_it_serves(receive: Receive) -> None:
    def script(connection: socket.socket, own: Receiver) -> None:
        while read_request(connection) is not None:
            own.ending.wait(0.3)
            connection.sendall(ok())

    receiver = receive(script)
    outbound = Outbound(LOCAL, LONG, to_loopback, waits=Waits(patience=0.1))
    for _ in range(3):
        assert outbound.post(receiver.url(), HEADERS, BODY) == OK
    assert receiver.connections <= 2, "only the first had waited on a new connection"


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
