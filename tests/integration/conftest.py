import asyncio
import base64
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest, HttpResponse
from cryptography.fernet import Fernet

from local import azurite
from local.ports import LOOPBACK, free_ports
from shared.api.http import routing as routes
from shared.identity import managed_identity
from shared.settings import Settings, read_settings
from shared.storage.cipher import Cipher
from shared.storage.clients import Services
from shared.storage.transport import Transport

from .api import Api
from .identity import Identity
from .scene import Scene, make_scene

ROOT = Path(__file__).parents[2]
MOST_ACCOUNTS = 1000
KEY = Fernet.generate_key().decode()
Calls = list[tuple[str, str]]


@pytest.fixture(scope="session")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[str]]:
    """Connection strings of an Azurite of these tests' own, each of a storage account in which there is nothing."""
    names = [f"account{number:03}" for number in range(MOST_ACCOUNTS)]
    account_key = base64.b64encode(secrets.token_bytes(32)).decode()
    port = free_ports(3)
    given = ";".join(f"{name}:{account_key}" for name in names)
    with asyncio.Runner() as runner:
        running = azurite.running(ROOT, port, None, tmp_path_factory.mktemp("azurite") / "log", given)
        runner.run(running.__aenter__())
        try:
            yield (_connection_string(name, account_key, port) for name in names)
        finally:
            runner.run(running.__aexit__(None, None, None))


def _connection_string(name: str, key: str, port: int) -> str:
    services = enumerate(("Blob", "Queue", "Table"))
    endpoints = [f"{service}Endpoint=http://{LOOPBACK}:{port + offset}/{name}" for offset, service in services]
    return ";".join(["DefaultEndpointsProtocol=http", f"AccountName={name}", f"AccountKey={key}", *endpoints])


@pytest.fixture(scope="session")
def make_settings(accounts: Iterator[str]) -> Callable[[], Settings]:
    """Makes settings of deployments whose storage account is empty."""
    return lambda: read_settings(
        {"AzureWebJobsStorage": next(accounts), "SECRETS_KEY": KEY, "DANGEROUS_ALLOW_PRIVATE_ENDPOINTS": "true"}
    )


@pytest.fixture(scope="session")
def done_with() -> set[str]:
    """The accounts of tests that are over."""
    return set()


@pytest.fixture
def settings(make_settings: Callable[[], Settings], done_with: set[str]) -> Iterator[Settings]:
    """Of a deployment whose storage account is empty."""
    made = make_settings()
    yield made
    done_with.add(dict(part.split("=", 1) for part in made.storage_connection.split(";"))["AccountName"])


@pytest.fixture
def services(settings: Settings) -> Services:
    return Services(settings)


@pytest.fixture
def cipher() -> Cipher:
    return Cipher([KEY])


@pytest.fixture
def scene(settings: Settings) -> Scene:
    return make_scene(settings)


@pytest.fixture
def another_account(accounts: Iterator[str]) -> Callable[[], str]:
    return lambda: next(accounts)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, done_with: set[str]) -> Calls:
    """Every request to storage from now on, as (method, what it is about), but for those that threads of earlier tests
    still make."""
    found: Calls = []
    send = Transport.send

    def note(request: HttpRequest) -> None:
        *_, account, about = request.url.partition("?")[0].split("/", 4)
        if account not in done_with:
            found.append((request.method, about))

    def record(self: Transport, request: HttpRequest, **kwargs: object) -> HttpResponse:
        note(request)
        return send(self, request, **kwargs)

    send_on_loop = AioHttpTransport.send

    async def record_on_loop(self: AioHttpTransport, request: HttpRequest, **kwargs: object) -> object:
        note(request)
        return await send_on_loop(self, request, **kwargs)

    monkeypatch.setattr(Transport, "send", record)
    monkeypatch.setattr(AioHttpTransport, "send", record_on_loop)
    return found


@pytest.fixture
def api(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(routes, "get_app", lambda: scene.app)
    return Api(scene)


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Identity]:
    identity = Identity()
    thread = threading.Thread(target=identity.server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", identity.url)
    monkeypatch.setenv("IDENTITY_HEADER", "header-of-the-identity-endpoint")
    managed_identity.cache_clear()
    yield identity
    managed_identity.cache_clear()
    identity.server.shutdown()
    thread.join()
    identity.server.server_close()
