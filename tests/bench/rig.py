"""What the benchmarks run on: Azurite, a token issuer, a receiver in a process of its own, and hosts."""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import psutil
import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient
from cryptography.fernet import Fernet

from bench.ledger import Balance, Delivery, balance
from doubles.background import Background
from e2e.api import Api, custom, eventually
from e2e.conftest import Storage, storing
from e2e.hosting import Host, Process, write_app
from local.issuer import SigningKey, make_issuer, read_key
from local.serving import serving

BATCH = 100
REQUEST = re.compile(r'"(?P<method>[A-Z]+) /devstoreaccount1/(?P<resource>[a-z-]*)[^"]*" (?P<status>\d+)')
"""A line of Azurite's access log."""
APPS = Path(__file__).parent / "apps"
Step = Callable[[], None]
"""Tells the progress bar that another part is done."""


@dataclass(frozen=True)
class Arrival:
    """One POST at the receiver; `at` is on the monotonic clock."""

    path: str
    key: str
    at: float


class Receiver:
    """The receiver process, as the benchmarks see it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.url = process.wait_for_line("Listening on ").rpartition(" ")[2]
        self._session = requests.Session()
        self._session.trust_env = False

    def count(self) -> int:
        return len(self.since(0))

    def since(self, first: int, count: int = 0, *paths: str) -> list[Arrival]:
        """What came from the `first` on, to any of the paths where some are given, once there are `count` of them."""
        query = {"from": str(first), "count": str(count), "paths": " ".join(paths)}
        answer = self._session.get(f"{self.url}/received", params=query, timeout=310)
        assert answer.status_code == 200, answer.text
        return [Arrival(*each) for each in answer.json()]

    def close(self) -> None:
        self._session.close()
        self._process.kill()


@dataclass(frozen=True)
class Rig:
    folder: Path
    storage: Storage
    receiver: Receiver
    key: SigningKey
    settings: Mapping[str, str]

    @contextmanager
    def app(self, **settings: str) -> Iterator[tuple[Host, Api]]:
        """The app in a host of its own, and its API; stopped in order in the end."""
        host = Host({**self.settings, **settings})
        try:
            with closing(Api(host.url, self.key)) as api:
                yield host, api
            host.ask_to_stop()
            assert host.wait(within=60) == 0, host.output  # an attempt under way may take 30 s
        finally:
            host.kill()

    def folder_of(self, name: str) -> Path:
        """A folder with one of the apps that this one is compared with, under the same host.json."""
        return write_app(self.folder / name, (APPS / name / "function_app.py").read_text())

    def register(self, api: Api, path: str, *types: str) -> str:
        """Registers a path of the receiver; answers the endpoint's id."""
        return str(api.register(self.receiver.url + path, *types)["id"])

    def queue(self, name: str = "deliveries") -> QueueClient:
        return QueueClient.from_connection_string(self.storage.connection, name)

    def wait_until_empty(self) -> None:
        """Until every message is done with, hidden ones too."""
        for name in ("deliveries", "deliveries-poison"):
            with self.queue(name) as queue:
                eventually(partial(_length, queue), lambda length: length == 0, within=60)

    def queued(self, endpoints: Mapping[str, str]) -> set[Delivery]:
        """What the queue holds and shows, by the endpoints' paths; it is hidden for a second then."""
        ids = {identity: path for path, identity in endpoints.items()}
        found = set()
        with self.queue() as queue:
            for message in queue.receive_messages(visibility_timeout=1, messages_per_page=32):
                fields = json.loads(message.content)
                found.add((ids.get(fields["delivery"].rpartition("-")[2], ""), fields["key"]))
        return found

    def balance(
        self, api: Api, endpoints: Mapping[str, str], keys: Sequence[str], arrivals: Sequence[Arrival]
    ) -> Balance:
        """The ledger of one run: every key was accepted for every one of these endpoints (path to id)."""
        paths = {identity: path for path, identity in endpoints.items()}
        failed = {(paths[line["endpointId"]], line["idempotencyKey"]) for line in api.alerts()}
        accepted = {(path, key) for path in endpoints for key in keys}
        received = [(arrival.path, arrival.key) for arrival in arrivals]
        return balance(accepted, received, failed, self.queued(endpoints))

    def transactions(self) -> Counter[str]:
        """Requests that Azurite has answered, by kind, such as `POST deliveries`."""
        lines = self.storage.log.read_text(errors="replace")
        return Counter(f"{match['method']} {match['resource']}" for match in REQUEST.finditer(lines))


def publish_burst(api: Api, event_type: str, count: int) -> list[str]:
    """Publishes events in batches, several callers at a time; answers their keys."""

    def publish(size: int) -> list[str]:
        with closing(Api(api.base, api.key)) as caller:
            events = [custom(event_type, text="x" * 200) for _ in range(size)]
            return [each["idempotencyKey"] for each in caller.publish(events)]

    sizes = [BATCH] * (count // BATCH) + ([count % BATCH] if count % BATCH else [])
    with ThreadPoolExecutor(2) as callers:
        return list(chain.from_iterable(callers.map(publish, sizes)))


def _length(queue: QueueClient) -> int:
    try:
        return queue.get_queue_properties().approximate_message_count or 0
    except ResourceNotFoundError:
        return 0


def cpu_seconds(host: Host) -> float:
    """CPU time that a host has used so far, in user and kernel mode."""
    times = psutil.Process(host.pid).cpu_times()
    return float(times.user + times.system)


@contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """Everything but a host, in memory and empty."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        background = Background()
        stack.callback(background.close)
        key_file = folder / "issuer.pem"
        issuer = stack.enter_context(background.entered(serving(make_issuer(key_file))))
        storage = stack.enter_context(storing(background, folder))
        receiver = Receiver(
            Process([sys.executable, "-m", "bench.receiver"], {"PYTHONPATH": os.pathsep.join(sys.path)})
        )
        stack.callback(receiver.close)
        settings = {
            "AzureWebJobsStorage": storage.connection,
            "SECRETS_KEY": Fernet.generate_key().decode(),
            "DANGEROUS_TRUST_LOCAL_ISSUER": issuer,
            "DANGEROUS_ALLOW_PRIVATE_ENDPOINTS": "true",
            "PYTHON_THREADPOOL_THREAD_COUNT": "40",
            "STORAGE_SCAN_SCHEDULE": "0 20 */6 * * *",
            "TENANT_ID": "contoso",
        }
        yield Rig(folder, storage, receiver, read_key(key_file), settings)
