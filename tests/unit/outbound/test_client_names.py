"""Names and addresses: only what was checked is dialled, and a bad one costs as little as it can."""

import contextlib
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import trustme

from doubles.outbound import Outbound
from doubles.receivers import LOOPBACK, answering, ok, server_tls, silent
from shared.outbound.addresses import AddressPolicy, Refused, Unresolved
from shared.outbound.client import NoResponse, Response
from unit.conftest import Receive
from unit.outbound.test_client_request import BODY, HEADERS, LOCAL

SHORT, LONG = timedelta(seconds=0.4), timedelta(seconds=20)
PATH = "/hook?code=hidden"


def test_a_name_that_does_not_resolve_is_said_so() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    outbound = Outbound(LOCAL, LONG, resolve)
    assert outbound.post(f"https://gone.example{PATH}", HEADERS, BODY) == NoResponse(
        "the name gone.example does not resolve (Name or service not known)"
    )
    assert outbound.check(f"https://gone.example{PATH}", LONG) == Unresolved("gone.example")


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["64:ff9b::a9fe:a9fe"]],
)
def test_a_name_that_leads_inward_is_refused_at_registration_and_at_each_attempt(
    receive: Receive, addresses: list[str]
) -> None:
    receiver = receive(silent)
    outbound = Outbound(AddressPolicy(), LONG, lambda host, port: addresses)
    url = f"https://receiver.example:{receiver.port}{PATH}"
    reason = "receiver.example is or resolves to an address that is not on the public internet"
    assert outbound.check(url, LONG) == Refused(reason)
    assert outbound.post(url, HEADERS, BODY) == NoResponse(f"refused: {reason}")
    assert receiver.connections == 0


def test_a_name_that_changes_after_the_check_is_not_followed_inward(receive: Receive) -> None:
    receiver = receive(silent)
    answers = iter([["1.1.1.1"], [LOOPBACK]])
    outbound = Outbound(AddressPolicy(), LONG, lambda host, port: next(answers))
    url = f"https://receiver.example:{receiver.port}{PATH}"
    assert outbound.check(url, LONG) is None
    result = outbound.post(url, HEADERS, BODY)
    assert isinstance(result, NoResponse)
    assert result.error.startswith("refused: ")
    assert receiver.connections == 0


def test_the_socket_goes_to_the_address_that_was_checked_and_the_name_is_asked_once(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = receive(answering(ok()), server_tls(authority))
    asked, dialled = list[str](), list[tuple[str, int]]()

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["1.1.1.1"] if len(asked) == 1 else [LOOPBACK]

    class Redirected(socket.socket):
        def connect(self, address: Any) -> None:
            dialled.append(address)
            super().connect((LOOPBACK, receiver.port))

    monkeypatch.setattr(socket, "socket", Redirected)
    outbound = Outbound(AddressPolicy(), LONG, resolve, trusting)
    assert outbound.post(receiver.url(PATH), HEADERS, BODY) == Response(200, None, None)
    assert asked == ["receiver.example"]
    assert dialled == [("1.1.1.1", receiver.port)]


def test_the_next_address_is_tried_when_one_takes_no_connection(receive: Receive) -> None:
    receiver = receive(answering(ok()))
    outbound = Outbound(LOCAL, LONG, lambda host, port: ["::1", LOOPBACK])
    assert outbound.post(receiver.url(PATH), HEADERS, BODY) == Response(200, None, None)


def test_a_name_with_thousands_of_addresses_costs_no_more_than_one_with_a_few() -> None:
    """Each of them was dialled, which took most of the loop's time for as long as the attempt had."""
    names = [f"127.0.{at // 250}.{1 + at % 250}" for at in range(4000)]
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("", 0))
        port = nobody_listens.getsockname()[1]
        outbound = Outbound(LOCAL, timedelta(seconds=5), lambda host, port: names)
        assert outbound.post(f"http://receiver.example:{port}{PATH}", HEADERS, BODY) == NoResponse(
            f"no connection to receiver.example port {port}: connection refused"
        )


def test_many_addresses_of_one_family_keep_none_of_the_other_from_being_tried(receive: Receive) -> None:
    receiver = receive(answering(ok()))
    outbound = Outbound(LOCAL, LONG, lambda host, port: ["::1"] * 100 + [LOOPBACK])
    assert outbound.post(receiver.url(PATH), HEADERS, BODY) == Response(200, None, None)


def test_the_address_that_worked_last_is_dialled_however_many_come_before_it(receive: Receive) -> None:
    receiver = receive(answering(ok(b"", "Connection: close")))
    names = iter([[LOOPBACK], [*(f"127.0.1.{at}" for at in range(1, 100)), LOOPBACK]])
    outbound = Outbound(LOCAL, LONG, lambda host, port: next(names))
    for _ in range(2):
        assert outbound.post(receiver.url(PATH), HEADERS, BODY) == Response(200, None, None)


def test_a_hung_name_ends_its_own_attempts_only_and_is_looked_up_once(receive: Receive) -> None:
    receiver = receive(answering(ok()))
    let_go, hung_lookups = threading.Event(), list[str]()

    def resolve(host: str, port: int) -> list[str]:
        if host == "hung.example":
            hung_lookups.append(host)
            let_go.wait()
        return [LOOPBACK]

    outbound = Outbound(LOCAL, SHORT, resolve)
    hung = NoResponse("the name hung.example was not resolved within 0.4 s")
    try:
        assert outbound.post(receiver.url(host="first.example"), HEADERS, BODY) == Response(200, None, None)
        with ThreadPoolExecutor(20) as threads:
            waiting = [
                threads.submit(outbound.post, receiver.url(host="hung.example"), HEADERS, BODY) for _ in range(16)
            ]
            assert outbound.post(receiver.url(host="quick.example"), HEADERS, BODY) == Response(200, None, None)
            assert {each.result() for each in waiting} == {hung}
        assert outbound.post(receiver.url(host="other.example"), HEADERS, BODY) == Response(200, None, None)
        assert hung_lookups == ["hung.example"]
        assert outbound.check(receiver.url(host="hung.example"), timedelta(milliseconds=20)) == Unresolved(
            "hung.example"
        )
    finally:
        let_go.set()


def test_one_address_that_takes_nothing_does_not_use_up_the_attempt(receive: Receive) -> None:
    """The first of two addresses had all the time there was, so the second was never tried."""
    receiver = receive(answering(ok()))
    with contextlib.ExitStack() as stack:
        try:
            hole = stack.enter_context(socket.create_server(("127.0.0.2", receiver.port), backlog=0))
        except OSError:
            pytest.skip("this machine has one loopback address only")
        hole.setblocking(False)
        for _ in range(3):  # the backlog is full from the second one on
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(hole.getsockname())
        outbound = Outbound(LOCAL, LONG, lambda host, port: ["127.0.0.2", LOOPBACK])
        began = time.monotonic()
        assert outbound.post(receiver.url(PATH), HEADERS, BODY) == Response(200, None, None)
        assert 0.25 <= time.monotonic() - began < 2, "the next address is tried after a quarter of a second"


def test_an_address_that_took_the_connection_has_all_the_time_that_is_left(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    tls = server_tls(authority)
    tls.sni_callback = lambda sock, name, context: time.sleep(0.5)  # between two messages of the handshake
    receiver = receive(answering(ok()), tls)
    outbound = Outbound(LOCAL, timedelta(seconds=1.2), lambda host, port: [LOOPBACK] * 3, trusting)
    assert outbound.post(receiver.url(PATH), HEADERS, BODY) == Response(200, None, None)
