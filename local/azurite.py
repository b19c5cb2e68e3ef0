"""Azurite, the storage emulator, as a child process."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from local import children
from local.lock import Held, locked
from local.ports import LOOPBACK, Wanted, require_free
from local.problem import Problem

DEFAULT_PORT = 10000
STOP_LIMIT_SECONDS = 10

# Well known: every emulator of Azure Storage has this account with this key.
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def connection_string(port: int) -> str:
    """The account of an Azurite whose blob, queue and table services listen at `port` and the next two."""
    services = ("Blob", "Queue", "Table")
    endpoints = [f"{name}Endpoint=http://{LOOPBACK}:{port + i}/{ACCOUNT}" for i, name in enumerate(services)]
    account = ["DefaultEndpointsProtocol=http", f"AccountName={ACCOUNT}", f"AccountKey={ACCOUNT_KEY}"]
    return ";".join(account + endpoints) + ";"


def default_folder(state: Path, port: int) -> Path:
    """Where the data of an Azurite on `port` is kept: two on different ports must not share a folder."""
    return state / ("azurite" if port == DEFAULT_PORT else f"azurite-{port}")


def wanted(port: int) -> list[Wanted]:
    """The ports of an Azurite on `port`."""
    services = enumerate(("blob", "queue", "table"))
    return [Wanted(port + i, f"Azurite's {service} service", "--azurite-port") for i, service in services]


@contextlib.asynccontextmanager
async def running(
    root: Path, port: int, data: Path | None, log: Path, accounts: str = f"{ACCOUNT}:{ACCOUNT_KEY}"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """An Azurite that keeps its data in the folder `data` (None: in memory); all its output goes to `log`.

    `accounts` are `name:key`, separated by semicolons; what the environment says of accounts does not count.
    """
    require_free(wanted(port))
    with contextlib.ExitStack() as stack, log.open("wb") as output:
        if data is not None:
            stack.enter_context(_only_user_of(data))
        process = await children.spawn(
            _command(root, port, data),
            folder=log.parent,
            environment={**os.environ, "AZURITE_ACCOUNTS": accounts},
            output=output,
        )
        try:
            if not await children.becomes_ready(process, lambda: _listens(port)):
                raise Problem(f"Azurite did not start. Its output ({log.name}):\n{children.tail(log)}")
            yield process
        finally:
            await _stop(process)


@contextlib.contextmanager
def _only_user_of(data: Path) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(data / "in-use.lock"))
        except Held:
            raise Problem(
                f"Another Azurite uses the data in {data}. Choose another folder with --data, or give --in-memory."
            ) from None
        except OSError as error:
            raise Problem(
                f"Nothing can be kept in {data} ({error.strerror}). Choose another folder with --data, or give "
                "--in-memory."
            ) from None
        yield


def _command(root: Path, port: int, data: Path | None) -> list[str]:
    modules = root / "node_modules"
    return [
        shutil.which("node") or "node",
        "--require",
        str(root / "local" / "exit_with_parent.cjs"),
        *([] if data else ["--require", str(root / "local" / "keep_extents.cjs")]),
        str(modules / "azurite" / "dist" / "src" / "azurite.js"),
        *(["--inMemoryPersistence"] if data is None else ["--location", str(data)]),
        *(f"--{service}Port={port + i}" for i, service in enumerate(("blob", "queue", "table"))),
        "--skipApiVersionCheck",  # the SDKs may be newer than the emulator
        "--disableProductStyleUrl",
        "--disableTelemetry",
    ]


async def _listens(port: int) -> bool:
    # The table service is the last that Azurite starts.
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port + 2)
    except OSError:
        return False
    writer.close()
    return True


async def _stop(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(children.stop(process), STOP_LIMIT_SECONDS)
    except TimeoutError:
        # It waits for connections that others keep open; its data is saved every few seconds.
        process.kill()
        await process.wait()
