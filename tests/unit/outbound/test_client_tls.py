"""Certificates, and what else stands between a connection and a request over TLS."""

import socket
import ssl
from datetime import UTC, datetime, timedelta

import trustme

from doubles.outbound import Outbound
from doubles.receivers import Receiver, answering, header_of, ok, server_tls
from shared.outbound import client as outbound_module
from shared.outbound.client import NoResponse, Response
from unit.conftest import Receive
from unit.outbound.test_client_failure import CLOSED, INVALID
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


def failure(outbound: Outbound, receiver: Receiver) -> str:
    """The error of an attempt that never got as far as a request."""
    result = outbound.post(receiver.url(PATH), HEADERS, BODY)
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
    assert error == "the certificate was not accepted: certificate has expired"


def test_a_certificate_of_another_name_is_refused(
    receive: Receive, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    receiver = receive(answering(ok()), server_tls(authority, ["other.example", "*.receiver.example"]))
    error = failure(Outbound(LOCAL, LONG, to_loopback, trusting), receiver)
    assert error.startswith("the certificate was not accepted: Hostname mismatch")


def test_an_authority_that_is_not_trusted_is_refused_by_default(receive: Receive, authority: trustme.CA) -> None:
    receiver = receive(answering(ok()), server_tls(authority))
    error = failure(Outbound(LOCAL, LONG, to_loopback), receiver)
    assert error == "the certificate was not accepted: unable to get local issuer certificate"


def test_a_self_signed_certificate_is_refused(receive: Receive) -> None:
    receiver = receive(answering(ok()), self_signed())
    error = failure(Outbound(LOCAL, LONG, to_loopback), receiver)
    assert error == "the certificate was not accepted: self-signed certificate"


def test_plain_http_on_a_tls_port_is_refused(receive: Receive) -> None:
    receiver = receive(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"))

    def script(connection: socket.socket, own: Receiver) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    receiver = receive(script)
    url = receiver.url(PATH).replace("http://", "https://")
    result = Outbound(LOCAL, LONG, to_loopback).post(url, HEADERS, BODY)
    assert isinstance(result, NoResponse)
    assert result.error.startswith("TLS failed: ")


def test_tls_on_a_plain_port_is_no_answer(receive: Receive, authority: trustme.CA) -> None:
    receiver = receive(answering(ok()), server_tls(authority))
    url = receiver.url(PATH).replace("https://", "http://")
    assert Outbound(LOCAL, LONG, to_loopback).post(url, HEADERS, BODY) in (CLOSED, INVALID)
    assert receiver.requests == []


def test_old_versions_of_tls_are_not_spoken() -> None:
    context = outbound_module._tls_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
