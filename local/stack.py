"""Everything the app needs to run on one machine, started in order and stopped in the opposite one."""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local import addresses, appsettings, azurite
from local.client import Api
from local.functionhost import FunctionHost
from local.hostlog import HostLog
from local.issuer import make_issuer
from local.keyfiles import issuer_key_file, secrets_key
from local.lock import Held, locked
from local.m365.graph import GraphStandIn, serving_graph
from local.ports import LOOPBACK, Wanted, free_ports, is_free, require_free
from local.problem import Problem
from local.receiver import Received, Receiver
from local.serving import serving
from local.verification import Verifier

SCAN_SCHEDULE = "0 20 */6 * * *"
LOGS_KEPT_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class Plan:
    """What to start, and where. `values` are those of local.settings.json; `environment` overrides them."""

    root: Path
    port: int
    azurite_port: int
    receiver_port: int
    values: Mapping[str, str]
    graph_port: int = 0
    """The Graph stand-in's port; 0 takes any free one."""
    beside: Mapping[str, int] = field(default_factory=dict)
    """The companions' ports that a person chose, by their options; all others follow the app's port."""
    data: Path | None = None
    lease_seconds: int = 600
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def state(self) -> Path:
        return self.root / ".local"

    @property
    def logs(self) -> Path:
        """Named by the port, so that several starts in one clone keep apart."""
        return self.state / f"run-{self.port}"

    @property
    def host_log(self) -> Path:
        return self.logs / "host.log"

    @property
    def wanted(self) -> list[Wanted]:
        """The ports that must be free."""
        ports = [Wanted(self.port, "the app", "--port"), Wanted(self.receiver_port, "the receiver", "--receiver-port")]
        if self.needs_graph and self.graph_port:
            ports.append(Wanted(self.graph_port, "the stand-in for Microsoft Graph", "--graph-port"))
        return [*ports, *(azurite.wanted(self.azurite_port) if self.needs_azurite else [])]

    @property
    def needs_azurite(self) -> bool:
        return appsettings.needs_azurite(self.values, self.environment)

    @property
    def tenant_id(self) -> str:
        """The Microsoft id of the tenant that the settings name; the audit log is asked for by it."""
        settings = appsettings.merge(self.values, self.environment)
        return settings.get("ENTRA_TENANT_ID") or settings.get("TENANT_MICROSOFT_ID", "")

    @property
    def needs_graph(self) -> bool:
        """Whether the settings name no Microsoft Graph of their own."""
        return not appsettings.merge(self.values, self.environment).get("GRAPH_BASE_URL")


@dataclass(frozen=True)
class Stack:
    """The running parts."""

    host: FunctionHost
    api: Api
    receiver: Receiver
    receiver_url: str
    graph: GraphStandIn
    graph_url: str
    azurite: asyncio.subprocess.Process | None

    async def keep_running(self, say: Callable[[str], None]) -> None:
        """Watch over the parts until cancelled. Raises Problem when one is lost for good."""
        watches = [asyncio.create_task(self.host.keep_running(say)), asyncio.create_task(self._miss_azurite())]
        try:
            done, _ = await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
            for watch in done:
                watch.result()
        finally:
            for watch in watches:
                watch.cancel()

    async def _miss_azurite(self) -> None:
        if self.azurite is None:
            await asyncio.Event().wait()
            return
        await self.azurite.wait()
        raise Problem("Azurite ended by itself, and the app cannot go on without storage. Its log is named above.")


@contextlib.asynccontextmanager
async def running(
    plan: Plan, on_delivery: Callable[[Received], None], *, show_host: Callable[[str], None] | None = None
) -> AsyncIterator[Stack]:
    """The stack, up and answering. The host writes to the terminal; with `show_host` to the file host.log beside
    the other logs, and lines that people should see go to `show_host` as well. Raises Problem."""
    plan.logs.mkdir(parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_only_start_on(plan))
        require_free(plan.wanted, f"Free ones: python3 dev.py start {moved(plan)}")
        _remove_old_logs(plan.state)
        emulator = None
        if plan.needs_azurite:
            kept = plan.logs / "azurite.log"
            emulator = await stack.enter_async_context(azurite.running(plan.root, plan.azurite_port, plan.data, kept))

        key_file = issuer_key_file(plan.state)
        issuer_url = await stack.enter_async_context(serving(make_issuer(key_file)))
        api = await stack.enter_async_context(Api(f"http://{LOOPBACK}:{plan.port}", key_file))
        receiver = Receiver(Verifier(api), on_delivery)
        receiver_url = await stack.enter_async_context(serving(receiver.application(), plan.receiver_port))
        graph = GraphStandIn()
        graph.activity.tenant_id = plan.tenant_id or graph.activity.tenant_id
        graph_url = await stack.enter_async_context(serving_graph(graph, plan.graph_port))

        log = stack.enter_context(HostLog(plan.host_log, show_host)) if show_host else None
        host = FunctionHost(
            plan.root,
            plan.port,
            plan.lease_seconds,
            host_environment(plan, issuer_url, graph_url, graph),
            log,
            pid_file=plan.logs / "host.pid",
        )
        stack.push_async_callback(host.stop)
        if not await host.start():
            raise Problem("The function host ended while starting. The reason is above.")
        yield Stack(host, api, receiver, receiver_url, graph, graph_url, emulator)


def host_environment(plan: Plan, issuer_url: str, graph_url: str, graph: GraphStandIn) -> dict[str, str]:
    """The environment of the host: the app's settings, with what only this start knows filled in."""
    settings = appsettings.merge(plan.values, plan.environment)
    if settings.get(appsettings.STORAGE) == appsettings.DEVELOPMENT_STORAGE or not appsettings.names_storage(settings):
        settings[appsettings.STORAGE] = azurite.connection_string(plan.azurite_port)
    settings.setdefault("DANGEROUS_TRUST_LOCAL_ISSUER", issuer_url)
    if plan.needs_graph:
        settings |= {"GRAPH_BASE_URL": graph_url, "GRAPH_ACCESS_TOKEN": graph.token}
        settings |= {"SHAREPOINT_BASE_URL": graph_url, "SHAREPOINT_ACCESS_TOKEN": graph.token}
        settings.setdefault("PROVISIONING_KINDS", "teams,groups,sites,yammer")
        settings.setdefault("MAIL_SENDERS", "alerts@contoso.com")
    if not settings.get("MANAGEMENT_BASE_URL"):
        settings |= {"MANAGEMENT_BASE_URL": graph_url, "MANAGEMENT_ACCESS_TOKEN": graph.activity.token}
    settings.setdefault("STORAGE_SCAN_SCHEDULE", SCAN_SCHEDULE)  # a file made from an older sample lacks it
    if not settings.get("SECRETS_KEY"):
        settings["SECRETS_KEY"] = secrets_key(plan.state)
    return settings


def port_beside(port: int, distance: int) -> int:
    """The port of a companion of the app on `port`: the same at every start if it can be, since people and endpoints
    name it."""
    preferred = port + distance
    return preferred if preferred <= 65535 and is_free(preferred) else free_ports()


def moved(plan: Plan) -> str:
    """Options that move the app and all that belongs to it to free ports: what a person chose moves as far as the app's
    port, and all else follows that."""
    chosen = {"--port": plan.port, **plan.beside}
    for step in range(100, 5000, 100):
        if all(each.port + step <= 65535 and is_free(each.port + step) for each in plan.wanted):
            return " ".join(f"{option} {port + step}" for option, port in chosen.items())
    return " ".join(f"{option} …" for option in chosen)


@contextlib.contextmanager
def _only_start_on(plan: Plan) -> Iterator[None]:
    try:
        with locked(plan.logs / addresses.LOCK):
            yield
    except Held:
        raise Problem(
            f"`dev.py start` runs in this folder already, with the app on port {plan.port}. Use that one "
            "(`python3 dev.py env` prints its addresses), or stop it with Ctrl+C first. "
            f"A second one: python3 dev.py start {moved(plan)}"
        ) from None


def _remove_old_logs(state: Path) -> None:
    """Tests and demos run on ports of their own each time: their folders would pile up."""
    oldest = time.time() - LOGS_KEPT_SECONDS
    for folder in state.glob("run-*"):
        if all(path.stat().st_mtime < oldest for path in [folder, *folder.iterdir()]):
            shutil.rmtree(folder, ignore_errors=True)
