import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import trustme

from doubles.key_server import CLIENT, LEAST, TENANT, KeyServer
from doubles.receivers import Receiver, Script, receiving
from shared.api.http import auth
from shared.api.http.issuer_keys import Keys, keys_at
from shared.settings import Settings, read_settings

Receive = Callable[..., Receiver]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of these tests' own."""
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a client has that trusts the tests' authority and checks names as usual."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def receive() -> Iterator[Receive]:
    """Starts a receiver: `receive(script, tls=…)`; all are ended after the test."""
    with ExitStack() as stack:

        def start(script: Script, tls: ssl.SSLContext | None = None, family: int | None = None) -> Receiver:
            return stack.enter_context(receiving(script, tls, *([] if family is None else [family])))

        yield start


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    with KeyServer() as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def local(key_server: KeyServer) -> Settings:
    """Settings that trust the local issuer, whose keys the server has."""
    keys_at.cache_clear()  # by URL, for the whole process: an earlier server may have had this port
    return read_settings(LEAST | {"DANGEROUS_TRUST_LOCAL_ISSUER": key_server.url})


@pytest.fixture
def entra(key_server: KeyServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a customer's deployment, with Entra's key server replaced."""
    keys = Keys(f"{key_server.url}/keys")
    monkeypatch.setattr(auth, "keys_at", lambda url: keys)
    return read_settings(LEAST | {"ENTRA_TENANT_ID": TENANT, "ENTRA_CLIENT_ID": CLIENT})
