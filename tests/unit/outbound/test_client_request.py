"""What goes over the wire to a receiver, and what its answer becomes."""

import socket
import ssl
import time
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from doubles.outbound import Outbound
from doubles.receivers import (
    LOOPBACK,
    answer,
    answering,
    dripping,
    header_of,
    ok,
    server_tls,
    silent,
)
from shared import __version__
from shared.outbound.addresses import AddressPolicy
from shared.outbound.client import NoResponse, Response
from unit.conftest import Receive

LOCAL = AddressPolicy(allow_private=True)
BODY = '{"type":"custom.test","ü":"€"}'.encode()
HEADERS = {"Content-Type": "application/json", "Signature": "c2ln", "webhook-id": "key"}


def to_loopback(host: str, port: int) -> list[str]:
    return [LOOPBACK]


@pytest.fixture
def outbound() -> Outbound:
    return Outbound(LOCAL, timedelta(seconds=10), to_loopback)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/a%2fb%2Fc",
        "/a/../b/./c//d;e=f",
        "/hook?code=o74oKsbrgHDI-RnekJXdbR3Fba7mZxEmJQNyCIpV6z-ZAzFuwnaWJg==",
        "/workflows/1/invoke?api-version=2016-10-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=%41%7e",
        "/?a=b+c&&=&x=%20|{}[]'\"<>^`",
        "/?q=a?b/c",
    ],
)
def test_the_request_line_carries_path_and_query_byte_for_byte(receive: Receive, outbound: Outbound, path: str) -> None:
    receiver = receive(answering(ok()))
    assert outbound.post(receiver.url(path), HEADERS, BODY) == Response(200, None, None)
    assert receiver.requests[0].partition(b"\r\n")[0] == f"POST {path} HTTP/1.1".encode()


@pytest.mark.parametrize(("given", "sent"), [("", "/"), ("?code=1", "/?code=1")])
def test_a_url_without_a_path_asks_for_the_root(receive: Receive, outbound: Outbound, given: str, sent: str) -> None:
    receiver = receive(answering(ok()))
    outbound.post(receiver.url(given), HEADERS, BODY)
    assert receiver.requests[0].startswith(f"POST {sent} HTTP/1.1\r\n".encode())


def test_body_and_headers_arrive_as_given_and_nothing_else_is_said(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(ok()))
    outbound.post(receiver.url("/x", host="Receiver.Example"), HEADERS, BODY)
    request = receiver.requests[0]
    assert request.partition(b"\r\n\r\n")[2] == BODY
    names = {line.partition(b":")[0].lower().decode() for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]}
    assert names == {name.lower() for name in HEADERS} | {"host", "user-agent", "accept-encoding", "content-length"}
    assert header_of(request, "host") == f"receiver.example:{receiver.port}"
    assert header_of(request, "user-agent") == f"TenantHooks/{__version__}"
    assert header_of(request, "content-length") == str(len(BODY))


def test_no_header_that_is_given_takes_the_place_of_the_apps_own(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(ok()))
    outbound.post(receiver.url(), {**HEADERS, "user-agent": "other", "accept-encoding": "gzip"}, BODY)
    assert header_of(receiver.requests[0], "user-agent") == f"TenantHooks/{__version__}"
    assert header_of(receiver.requests[0], "accept-encoding") == "identity"


def test_an_ipv6_address_is_dialled_and_named_in_brackets(receive: Receive) -> None:
    try:
        receiver = receive(answering(ok()), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    outbound = Outbound(LOCAL, timedelta(seconds=10))
    assert isinstance(outbound.post(receiver.url("/x", host="[::1]"), HEADERS, BODY), Response)
    assert header_of(receiver.requests[0], "host") == f"[::1]:{receiver.port}"


def test_an_international_name_is_sent_in_its_ascii_form(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(ok()))
    assert isinstance(outbound.post(receiver.url(host="bücher.example"), HEADERS, BODY), Response)
    assert header_of(receiver.requests[0], "host") == f"xn--bcher-kva.example:{receiver.port}"


@pytest.mark.parametrize(
    "status",
    [
        "200 OK",
        "202 Accepted",
        "299 Odd",
        "301 Moved",
        "400 Bad",
        "404 Not Found",
        "410 Gone",
        "429 Slow",
        "503 Busy",
        "999 What",
    ],
)
def test_the_answer_is_told_as_it_is(receive: Receive, outbound: Outbound, status: str) -> None:
    receiver = receive(answering(answer(status, b"because")))
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(int(status[:3]), "because", None)


def test_the_first_2_kib_of_a_long_answer_are_kept_and_its_connection_is_not(
    receive: Receive, outbound: Outbound
) -> None:
    receiver = receive(answering(ok(b"x" * 3000), ok(b"y" * 2048), ok()))
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, "x" * 2048, None)
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, "y" * 2048, None)
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, None, None)
    assert receiver.connections == 2


def test_an_endless_answer_ends_with_its_first_2_kib(receive: Receive) -> None:
    def script(connection: socket.socket, own: object) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"400\r\n" + b"z" * 1024 + b"\r\n")

    receiver = receive(script)
    assert Outbound(LOCAL, timedelta(seconds=60), to_loopback).post(receiver.url(), HEADERS, BODY) == Response(
        200, "z" * 2048, None
    )


def test_an_answer_that_is_no_text_is_kept_as_far_as_it_is(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(ok(b"ok \xff\xc3\xa9")))
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, "ok \ufffdé", None)


def test_a_compressed_answer_is_not_unpacked(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(ok(b"not gzip at all", "Content-Encoding: gzip")))
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, "not gzip at all", None)
    assert header_of(receiver.requests[0], "accept-encoding") == "identity"


def test_retry_after_is_read(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(
        answering(answer("503 Busy", b"", "Retry-After: 120"), answer("503 Busy", b"", "Retry-After: soon"))
    )
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(503, None, timedelta(seconds=120))
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(503, None, None)


def test_no_retry_after_makes_post_fail(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(ok(b"", "Retry-After: Sun, 22 Nov 99999999999 10:05:00 GMT")))
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, None, None)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_an_answer_and_is_not_followed(receive: Receive, outbound: Outbound, status: str) -> None:
    inner = receive(answering(ok()))
    outer = receive(answering(answer(status, b"", f"Location: http://127.0.0.1:{inner.port}/admin")))
    assert outbound.post(outer.url(), HEADERS, BODY) == Response(int(status[:3]), None, None)
    assert inner.connections == 0


def test_proxies_and_passwords_of_the_environment_are_not_used(
    receive: Receive, outbound: Outbound, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy, receiver = receive(answering(ok(b"proxied"))), receive(answering(ok(b"direct")))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine receiver.example login me password secret\ndefault login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, "direct", None)
    assert proxy.connections == 0
    assert header_of(receiver.requests[0], "authorization") is None


def test_a_refused_url_is_not_posted_to(receive: Receive) -> None:
    receiver = receive(answering(ok()))
    strict = Outbound(AddressPolicy(), timedelta(seconds=10), to_loopback)
    assert strict.post(receiver.url("/x?code=hidden"), HEADERS, BODY) == NoResponse(
        "refused: the URL must start with https://"
    )
    assert receiver.connections == 0


def test_a_receiver_is_asked_with_options_as_it_is_posted_to(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(ok(b"", "webhook-allowed-origin: *"), ok(b"fine", "WebHook-Allowed-Origin: *")))
    asked = outbound.ask(receiver.url("/x?a=%2f"), {"WebHook-Request-Origin": "app.example"}, timedelta(seconds=5))
    assert asked == Response(200, None, None, "*")
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    assert head.partition(b"\r\n")[0] == b"OPTIONS /x?a=%2f HTTP/1.1"
    assert header_of(receiver.requests[0], "webhook-request-origin") == "app.example"
    assert body == b""
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, "fine", None), "a POST asks for no consent"


def test_asking_is_guarded_and_has_a_deadline_of_its_own(receive: Receive) -> None:
    receiver = receive(silent)
    strict = Outbound(AddressPolicy(), timedelta(seconds=10), to_loopback)
    refused = strict.ask("https://receiver.example/", {}, timedelta(seconds=5))
    assert isinstance(refused, NoResponse)
    assert refused.error.startswith("refused: ")
    asked = Outbound(LOCAL, timedelta(seconds=10), to_loopback).ask(receiver.url(), {}, timedelta(seconds=0.2))
    assert asked == NoResponse("no complete answer within 0.2 s")


def test_time_that_is_spent_is_taken_off_the_deadline(receive: Receive, outbound: Outbound) -> None:
    began = time.monotonic()
    dripped = outbound.post(
        receive(dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a")).url(), HEADERS, BODY, timedelta(seconds=9.8)
    )
    assert dripped == NoResponse("no complete answer within 10 s")
    assert time.monotonic() - began < 2
    assert outbound.post("http://receiver.example:1/", HEADERS, BODY, timedelta(seconds=11)) == dripped


def test_nothing_is_sent_once_the_time_is_spent(receive: Receive, outbound: Outbound) -> None:
    receiver = receive(answering(ok()))
    assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, None, None)
    assert isinstance(outbound.post(receiver.url(), HEADERS, BODY, timedelta(seconds=10)), NoResponse)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("length", [2**16, 2**16 + 1, 2**23 + 7])
@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_a_long_body_arrives_as_given(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext, length: int, over_tls: bool
) -> None:
    receiver = receive(answering(ok()), server_tls(authority) if over_tls else None)
    outbound = Outbound(LOCAL, timedelta(seconds=10), to_loopback, trusting)
    body = bytes(range(256)) * (length // 256) + b"z" * (length % 256)
    for number in range(2):
        assert outbound.post(receiver.url(), HEADERS, body) == Response(200, None, None)
        head, _, arrived = receiver.requests[number].partition(b"\r\n\r\n")
        assert arrived == body
        assert header_of(head + b"\r\n\r\n", "content-length") == str(length)
        assert b"transfer-encoding" not in head.lower()
    assert receiver.connections == 1


def test_cookies_are_neither_kept_nor_logged(
    receive: Receive, outbound: Outbound, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = receive(answering(ok(b"", "Set-Cookie: a=b; Path=/", "Set-Cookie: (hidden)=\x01;; =")))
    for _ in range(2):
        assert outbound.post(receiver.url(), HEADERS, BODY) == Response(200, None, None)
    assert header_of(receiver.requests[1], "cookie") is None
    assert "hidden" not in caplog.text
