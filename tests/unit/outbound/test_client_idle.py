"""When idle connections are closed: after four seconds, and at once where a receiver has no room for another."""

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from doubles.outbound import Outbound
from doubles.receivers import Receiver, answering, ok, read_request, receiving, server_tls
from shared.outbound.connection import USUAL_WAITS, Waits
from unit.conftest import Receive
from unit.outbound.test_client_connections import LONG, OK, OVER_TLS, Tls
from unit.outbound.test_client_request import BODY, HEADERS, LOCAL, to_loopback


@pytest.fixture
def tls(authority: trustme.CA) -> Tls:
    return lambda over_tls: server_tls(authority) if over_tls else None


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
