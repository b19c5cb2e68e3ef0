"""The receiver's certificate is verified, and the delivery log says in words what is wrong with one."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from doubles.hooks import MARK, Receivers

from .api import ENDPOINTS, custom
from .conftest import App

LONG_AGO = datetime.now(UTC) - timedelta(days=1)


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_a_good_certificate_is_taken(app: App, receivers: Receivers, authority: trustme.CA) -> None:
    hook = receivers.serve(context_of(authority.issue_cert("localhost")), host="localhost").hook()
    endpoint = app.api.register(hook.url, "custom.secure")
    event = custom("custom.secure")
    app.api.publish(event)
    assert hook.wait()[0].key == event["meta"]["idempotencyKey"]
    assert hook.received[0].headers["Host"].startswith("localhost:")
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


@pytest.mark.parametrize("fault", ["issuer", "mismatch", "expired"])
def test_a_bad_certificate_ends_the_attempt(app: App, receivers: Receivers, authority: trustme.CA, fault: str) -> None:
    certificate = {
        "issuer": lambda: trustme.CA().issue_cert("localhost"),
        "mismatch": lambda: authority.issue_cert("elsewhere.example"),
        "expired": lambda: authority.issue_cert("localhost", not_after=LONG_AGO),
    }[fault]()
    hook = receivers.serve(context_of(certificate), host="localhost").hook()
    endpoint = app.api.register(hook.url, "custom.insecure")
    attempt = app.api.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test").json
    key = app.api.publish(custom("custom.insecure"))["idempotencyKey"]
    delivery_id = app.api.delivery_id(key, endpoint)
    record = app.host.wait_for("delivery.attempted", deliveryId=delivery_id)
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)
    for error in (attempt["error"], record["error"]):
        assert "certificate" in error
        assert fault in error.lower()
        assert MARK not in error
    assert not hook.received


def test_plain_http_on_a_tls_port_is_told_apart(app: App, receivers: Receivers) -> None:
    hook = receivers.serve(host="localhost").hook()
    endpoint = app.api.register(hook.url.replace("http://", "https://"), "custom.insecure")
    attempt = app.api.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test").json
    assert "TLS" in attempt["error"]
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)
