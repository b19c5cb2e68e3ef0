import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from azure.storage.queue import QueueClient

from local.azurite import connection_string
from local.ports import free_ports

from .running import AZURITE, ROOT, Host, Process, host_environment

StartHost = Callable[..., Host]


class Queue:
    """A queue with a name of its own."""

    def __init__(self, client: QueueClient) -> None:
        self.client = client
        self.name = str(client.queue_name)

    def put(self, *bodies: str) -> None:
        for body in bodies:
            self.client.send_message(body)

    def __len__(self) -> int:
        return self.client.get_queue_properties().approximate_message_count or 0

    @property
    def poison(self) -> str:
        return f"{self.name}-poison"


MakeQueue = Callable[..., Queue]


@pytest.fixture(scope="session")
def storage() -> Iterator[str]:
    """The connection string of an Azurite of these tests' own."""
    if not AZURITE.exists():
        pytest.fail("Azurite is not installed: run `npm ci` (or `python3 dev.py test`) first.")
    port = free_ports(3)
    ports = ["--blobPort", str(port), "--queuePort", str(port + 1), "--tablePort", str(port + 2)]
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    process = Process(["node", str(AZURITE), *options, *ports], ROOT, os.environ)
    try:
        process.wait_for("Table service is successfully listening", timeout=60)
        yield connection_string(port)
    finally:
        process.kill()


@pytest.fixture
def start_host(storage: str) -> Iterator[StartHost]:
    """Starts a host: `start_host(folder, *arguments, SETTING="value")`; all are ended after the test."""
    hosts: list[Host] = []

    def start(folder: Path, *arguments: str, python: str = sys.executable, **settings: str) -> Host:
        host = Host(folder, host_environment(storage, settings), arguments, python)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        host.kill()


@pytest.fixture
def make_queue(storage: str) -> Iterator[MakeQueue]:
    with ExitStack() as stack:

        def make(name: str | None = None, create: bool = True) -> Queue:
            client = QueueClient.from_connection_string(storage, name or f"q{uuid4().hex[:12]}")
            queue = Queue(stack.enter_context(client))
            if create:
                client.create_queue()
            return queue

        yield make
