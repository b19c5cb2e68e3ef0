"""Certificates, and what else stands between a connection and a request over TLS."""

import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from doubles.outbound import Outbound
from doubles.receivers import Receiver, Script, answering, header_of, ok, read_request, server_tls, silent
from shared.outbound import client as outbound_module
from shared.outbound.client import NoResponse, Response
from shared.outbound.failures import (
    CLOSED,
    CLOSED_IN_HANDSHAKE,
    NO_COMMON_CIPHER,
    NOT_TLS,
    ONLY_WRAPPING,
    SPEAKS_TLS,
    WANTS_A_CERTIFICATE,
)
from unit.conftest import Receive
from unit.outbound.test_client_request import BODY, HEADERS, LOCAL, to_loopback

LONG = timedelta(seconds=20)
PATH = "/hook?code=hidden"


def self_signed() -> ssl.SSLContext:
    """A server whose certificate nobody but itself stands behind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    with authority.private_key_pem.tempfile() as key, authority.cert_pem.tempfile() as certificate:
        context.load_cert_chain(certificate, key)
    return context


def failure(outbound: Outbound, receiver: Receiver, scheme: str | None = None, body: bytes = BODY) -> str:
    """The error of an attempt that never got as far as a request."""
    url = receiver.url(PATH)
    result = outbound.post(url if scheme is None else f"{scheme}{url[url.index(':') :]}", HEADERS, body)
    assert isinstance(result, NoResponse)
    assert receiver.requests == []
    assert "hidden" not in result.error
    return result.error


def test_a_certificate_of_a_trusted_authority_is_accepted(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    names: list[str] = []
    tls = server_tls(authority)
    tls.sni_callback = lambda sock, name, context: names.append(name)
    receiver = receive(answering(ok(b"first"), ok(b"second")), tls)
    outbound = Outbound(LOCAL, LONG, to_loopback, trusting)
    assert outbound.post(receiver.url(PATH), HEADERS, BODY) == Response(200, "first", None)
    assert outbound.post(receiver.url(PATH), HEADERS, BODY) == Response(200, "second", None)
    assert receiver.connections == 1
    assert names == ["receiver.example"]
    assert header_of(receiver.requests[0], "host") == f"receiver.example:{receiver.port}"


def test_an_expired_certificate_is_refused(receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    receiver = receive(answering(ok()), server_tls(authority, ends_at=datetime.now(UTC) - timedelta(days=1)))
    error = failure(Outbound(LOCAL, LONG, to_loopback, trusting), receiver)
    assert error == "the certificate was not accepted: certificate has expired: renew it"


def test_a_certificate_of_another_name_is_refused(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    receiver = receive(answering(ok()), server_tls(authority, ["other.example", "*.receiver.example"]))
    error = failure(Outbound(LOCAL, LONG, to_loopback, trusting), receiver)
    assert error == (
        "the certificate was not accepted: Hostname mismatch, certificate is not valid for 'receiver.example': use one "
        "for the host name in the URL"
    )


def test_an_authority_that_is_not_trusted_is_refused_by_default(receive: Receive, authority: trustme.CA) -> None:
    receiver = receive(answering(ok()), server_tls(authority))
    error = failure(Outbound(LOCAL, LONG, to_loopback), receiver)
    assert error == (
        "the certificate was not accepted: unable to get local issuer certificate: send the intermediate certificates "
        "too, and use one from an authority that the system or Mozilla's list trusts"
    )


def test_a_self_signed_certificate_is_refused(receive: Receive) -> None:
    receiver = receive(answering(ok()), self_signed())
    error = failure(Outbound(LOCAL, LONG, to_loopback), receiver)
    assert error == (
        "the certificate was not accepted: self-signed certificate: use one from an authority that the system or "
        "Mozilla's list trusts"
    )


def test_plain_http_on_a_tls_port_is_refused(receive: Receive) -> None:
    def script(connection: socket.socket, own: Receiver) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    assert failure(Outbound(LOCAL, LONG, to_loopback), receive(script), "https") == NOT_TLS


def test_a_port_that_closes_at_the_first_message_of_tls_is_told_so(receive: Receive) -> None:
    def script(connection: socket.socket, own: Receiver) -> None:
        connection.recv(65536)

    assert failure(Outbound(LOCAL, LONG, to_loopback), receive(script), "https") == CLOSED_IN_HANDSHAKE


def test_http_to_a_port_of_tls_is_told_so(receive: Receive, authority: trustme.CA) -> None:
    """An alert is what most servers answer with."""

    def script(connection: socket.socket, own: Receiver) -> None:
        connection.recv(65536)
        connection.sendall(b"\x15\3\1\0\2\2\x16")  # a fatal one: record overflow

    assert failure(Outbound(LOCAL, LONG, to_loopback), receive(script)) == SPEAKS_TLS
    receiver = receive(answering(ok()), server_tls(authority))
    assert failure(Outbound(LOCAL, LONG, to_loopback), receiver, "http") in (SPEAKS_TLS, CLOSED)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("body", [BODY, b"x" * 2**22], ids=["short", "long"])
def test_a_receiver_that_wants_a_client_certificate_is_told_from_others(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext, version: ssl.TLSVersion, body: bytes
) -> None:
    tls = server_tls(authority)
    tls.minimum_version = tls.maximum_version = version
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(tls)
    outbound = Outbound(LOCAL, LONG, to_loopback, trusting)
    assert failure(outbound, receive(answering(ok()), tls), body=body) == WANTS_A_CERTIFICATE


def test_a_receiver_without_a_common_cipher_is_told_from_others(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    tls = server_tls(authority)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    tls.set_ciphers("AES128-SHA")  # without forward secrecy, which Python's own list leaves out
    outbound = Outbound(LOCAL, LONG, to_loopback, trusting)
    assert failure(outbound, receive(answering(ok()), tls)) == NO_COMMON_CIPHER


def test_old_versions_of_tls_are_not_spoken() -> None:
    context = outbound_module.tls_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def of_one_byte(answer: bytes) -> Script:
    """Answers each request of a connection in records of one byte."""

    def script(connection: socket.socket, receiver: Receiver) -> None:
        while (request := read_request(connection)) is not None:
            receiver.requests.append(request)
            for byte in answer:
                connection.sendall(bytes([byte]))

    return script


def test_a_receiver_that_sends_nothing_but_tickets_is_told_so(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """They were taken for as long as they came and the attempt had, as fast as the loop could."""
    tls = server_tls(authority)
    tls.num_tickets = 1000
    receiver = receive(silent, tls)
    assert Outbound(LOCAL, LONG, to_loopback, trusting).post(receiver.url(PATH), HEADERS, BODY) == NoResponse(
        ONLY_WRAPPING
    )


def test_a_head_without_end_in_records_of_one_byte_is_told_so(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """256 KB of it cost a quarter of a second of the loop, 50 ms of it at once."""
    receiver = receive(of_one_byte(b"HTTP/1.1 200 OK\r\nX: ".ljust(5000, b"y")), server_tls(authority))
    assert Outbound(LOCAL, LONG, to_loopback, trusting).post(receiver.url(PATH), HEADERS, BODY) == NoResponse(
        ONLY_WRAPPING
    )


def test_answers_in_records_of_one_byte_are_read_however_many_come_on_one_connection(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    receiver = receive(of_one_byte(ok(b"fine", f"X: {'y' * 500}")), server_tls(authority))
    outbound = Outbound(LOCAL, LONG, to_loopback, trusting)
    for _ in range(8):
        assert outbound.post(receiver.url(PATH), HEADERS, BODY) == Response(200, "fine", None)
    assert receiver.connections == 1
