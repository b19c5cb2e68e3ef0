"""One app for most tests of this folder; tests that kill it, count it or flood it have their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography.fernet import Fernet

from doubles.background import Background
from doubles.hooks import Answer, Hook, Receiver, Receivers
from local import azurite
from local.issuer import SigningKey, make_issuer, read_key
from local.m365.graph import GraphStandIn, serving_graph
from local.m365.tenant import Tenant
from local.ports import free_ports
from local.serving import serving
from shared.model.audiences import ALLOWED
from shared.model.catalogue import CATALOGUE
from shared.model.ingestion import MONITORS

from .api import Api
from .hosting import QUEUES, ROOT, Host, hosting
from .identity import Identity, make_identity


@dataclass(frozen=True)
class Issuer:
    url: str
    key: SigningKey


@dataclass(frozen=True)
class Storage:
    """An Azurite of its own; `log` is its access log."""

    connection: str
    log: Path


@dataclass(frozen=True)
class Graph:
    """A stand-in for Microsoft 365, and the settings of an app that asks it."""

    stand_in: GraphStandIn
    url: str

    @property
    def settings(self) -> dict[str, str]:
        token = self.stand_in.token
        return {
            "GRAPH_BASE_URL": self.url,
            "GRAPH_ACCESS_TOKEN": token,
            "SHAREPOINT_BASE_URL": self.url,
            "SHAREPOINT_ACCESS_TOKEN": token,
            "MANAGEMENT_BASE_URL": self.url,
            "MANAGEMENT_ACCESS_TOKEN": self.stand_in.activity.token,
            "MAIL_SENDERS": "alerts@contoso.com",
            "SHARING_POLL_SCHEDULE": "0 0 0 2 1 *",  # tests run it when they want it
            "SHARING_EVENTS": ",".join(name for name in CATALOGUE if name.startswith("permission.")),
        }


@dataclass(frozen=True)
class App:
    """The running app, its API, a receiver to point endpoints at, and the Microsoft Graph that it scans."""

    host: Host
    api: Api
    receiver: Receiver
    graph: GraphStandIn


MakeStorage = Callable[[], Storage]
MakeSettings = Callable[..., dict[str, str]]


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


@pytest.fixture(scope="session")
def issuer(background: Background, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    key_file = tmp_path_factory.mktemp("issuer") / "issuer.pem"
    with background.entered(serving(make_issuer(key_file))) as url:
        yield Issuer(url, read_key(key_file))


@pytest.fixture(scope="session")
def identity(background: Background) -> Iterator[Identity]:
    """The managed identity of the apps that are given its settings."""
    identity = Identity()
    with background.entered(serving(make_identity(identity))) as identity.url:
        yield identity


@pytest.fixture(scope="session")
def receivers(background: Background) -> Iterator[Receivers]:
    receivers = Receivers(background)
    yield receivers
    receivers.close()


MakeGraph = Callable[[], Graph]


@pytest.fixture(scope="session")
def make_graph(background: Background) -> Iterator[MakeGraph]:
    """Starts Graph stand-ins that tell of no site yet."""

    def make() -> Graph:
        stand_in = GraphStandIn(Tenant())
        return Graph(stand_in, stack.enter_context(background.entered(serving_graph(stand_in))))

    with ExitStack() as stack:
        yield make


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The certificate authority that the app trusts besides the public ones."""
    return trustme.CA()


@pytest.fixture(scope="session")
def make_settings(
    issuer: Issuer, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, str]]:
    """Settings of an app on a given storage: `make_settings(storage, RETRY_DELAYS="1,1", …)`."""
    authority_file = tmp_path_factory.mktemp("authority") / "authority.pem"
    authority.cert_pem.write_to_path(authority_file)
    common = {
        "SECRETS_KEY": Fernet.generate_key().decode(),
        "DANGEROUS_TRUST_LOCAL_ISSUER": issuer.url,
        "DANGEROUS_ALLOW_PRIVATE_ENDPOINTS": "true",
        "PYTHON_THREADPOOL_THREAD_COUNT": "40",
        "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(2 * 2**20),
        "SSL_CERT_FILE": str(authority_file),
        "PROVISIONING_KINDS": "teams,groups,sites,yammer",
        "STORAGE_SCAN_SCHEDULE": "0 0 0 1 1 *",  # tests run it when they want it
        "TENANT_ID": "contoso",
        "TENANT_DISPLAY_NAME": "Contoso",
        "TENANT_MICROSOFT_ID": "235ec2cb-0767-40b3-a1de-4da2c42b19e9",
    }

    def make(storage: Storage, **settings: str) -> dict[str, str]:
        return {**common, "AzureWebJobsStorage": storage.connection, **settings}

    return make


@contextmanager
def storing(background: Background, folder: Path) -> Iterator[Storage]:
    port, log = free_ports(3), folder / "azurite.log"
    with background.entered(azurite.running(ROOT, port, None, log)) as process:
        yield Storage(azurite.connection_string(port), log)
        background.soon(process.kill)  # it is in memory: nothing is to be saved


@pytest.fixture(scope="module")
def make_storage(background: Background, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeStorage]:
    """Starts Azurites that end with the module. Apps that run at the same time cannot share one."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(storing(background, tmp_path_factory.mktemp("azurite")))


@pytest.fixture(scope="session")
def main_storage(background: Background, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with storing(background, tmp_path_factory.mktemp("azurite")) as storage:
        yield storage


@pytest.fixture(scope="session")
def app(
    main_storage: Storage,
    make_settings: MakeSettings,
    issuer: Issuer,
    receivers: Receivers,
    make_graph: MakeGraph,
    identity: Identity,
) -> Iterator[App]:
    """The app that most tests share. A delivery has four attempts, after 1, 2 and 1 s."""
    polling = {f"{QUEUES}maxPollingInterval": "00:00:00.5"}
    graph = make_graph()
    more = {
        **polling,
        **graph.settings,
        **identity.settings,
        "ALLOWED_TOKEN_AUDIENCES": ",".join((*ALLOWED, *MONITORS)),
    }
    with hosting(make_settings(main_storage, RETRY_DELAYS="1,2,1", **more)) as host:
        api = Api(host.url, issuer.key)
        yield App(host, api, receivers.serve(), graph.stand_in)
        api.close()


@pytest.fixture(scope="session")
def api(app: App) -> Api:
    return app.api


@pytest.fixture(scope="session")
def receiver(app: App) -> Receiver:
    return app.receiver


@pytest.fixture(scope="session")
def dripping(app: App) -> tuple[Hook, str]:
    """A delivery under way to a receiver that drips its refusal, a byte a second without end, and its id."""
    hook = app.receiver.hook(Answer(500, drip=1), 200)
    endpoint = app.api.register(hook.url, "custom.drip")
    key = app.api.publish({"type": "custom.drip", "content": {}})["idempotencyKey"]
    return hook, app.api.delivery_id(key, endpoint)
