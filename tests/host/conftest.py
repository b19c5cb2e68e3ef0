import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .running import AZURITE, ROOT, Host, Process, connection_string, free_ports, host_environment

StartHost = Callable[..., Host]


@pytest.fixture(scope="session")
def storage() -> Iterator[str]:
    """The connection string of an Azurite of these tests' own."""
    if not AZURITE.exists():
        pytest.fail("Azurite is not installed: run `npm ci` (or `python3 dev.py test`) first.")
    blob, queue, table = free_ports(3)
    ports = ["--blobPort", str(blob), "--queuePort", str(queue), "--tablePort", str(table)]
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    process = Process(["node", str(AZURITE), *options, *ports], ROOT, os.environ)
    try:
        process.wait_for("Table service is successfully listening", timeout=60)
        yield connection_string(blob, queue, table)
    finally:
        process.kill()


@pytest.fixture
def start_host(storage: str) -> Iterator[StartHost]:
    """Starts a host: `start_host(folder, *arguments, SETTING="value")`; all are ended after the test."""
    hosts: list[Host] = []

    def start(folder: Path, *arguments: str, **settings: str) -> Host:
        host = Host(folder, host_environment(storage, settings), arguments)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        host.kill()
