"""A week of provisioning in a moment: the app's own acceptance and worker, on storage and a Microsoft 365 in memory.

Every call to either is a point at which somebody else may run, this invocation may end as a crash would, storage or
Microsoft 365 may fail before or after the effect, or so much time may pass that a lease runs out.
"""

import json
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from cryptography.fernet import Fernet
from greenlet import greenlet

from doubles.simulated_storage import Odds, World
from doubles.storage_account import Account, Crash, Queued, Services, app_on
from local.m365.directory import Directory
from local.m365.workspaces import Asked, Manners, Told, query_of
from shared.app import App
from shared.m365.exchange import Answer, read_answer
from shared.model.provisioning import Kind, Template
from shared.provisioning import worker
from shared.provisioning.acceptance import Accepted, Caller, Wanted, accept
from shared.provisioning.microsoft import Microsoft
from shared.settings import read_settings
from shared.storage.clients import StorageUnavailable
from shared.storage.events import read_event_row
from shared.storage.workspaces import PROVISIONING, PROVISIONING_POISON, WorkspaceRequest, Workspaces

SETTINGS = read_settings(
    {
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "SECRETS_KEY": Fernet.generate_key().decode(),
        "TENANT_ID": "contoso",
        "PROVISIONING_KINDS": "teams,groups,sites,yammer",
        "SHAREPOINT_BASE_URL": "https://contoso.sharepoint.com",
    }
)
LEASE = timedelta(minutes=10)
MOST_DEQUEUES = 10
OWNER = "235ec2cb-0767-40b3-a1de-4da2c42b19e9"
LONGEST = timedelta(days=3)


@dataclass(frozen=True)
class Luck(Odds):
    """How likely each fault is at each call to Microsoft 365, too."""

    microsoft_fails: float = 0.0
    answer_lost: float = 0.0
    throttled: float = 0.0


def _nobody(url: str, headers: Mapping[str, str], body: bytes, spent: timedelta) -> NoReturn:
    raise AssertionError("nobody is registered")


class DirectoryExchange:
    """A service of the directory, asked as `HttpExchange` asks it."""

    def __init__(self, cloud: "Cloud", service: Any, base_url: str) -> None:
        self._cloud, self._service, self.base_url = cloud, service, base_url
        self._ends_at = cloud.now + worker.CALLS_LIMIT

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        parts = urlsplit(path)
        if parts.netloc and f"{parts.scheme}://{parts.netloc}" != self.base_url:
            return Answer(0, message="another host", unsent=True)
        self._cloud.point()
        if self._cloud.now >= self._ends_at:
            return Answer(0, message="the time of this run is over", unsent=True)
        asked = Asked(
            self._service,
            method,
            unquote(parts.path),
            query_of(parts.query),
            json.loads(json.dumps(body or {})),
            headers or {},
        )
        told = self._cloud.tell(asked)
        self._cloud.point()
        if told.status == 0:
            return Answer(0, message="no answer in time")
        sent = b"" if told.value is None else json.dumps(told.value).encode()
        return read_answer(told.status, told.headers, sent, self._cloud.now)


@dataclass
class Cloud(World):
    """Hosts, their queue, storage and the tenant. `workers` messages are handled at once."""

    directory: Directory = field(default_factory=lambda: Directory(lambda: datetime.max))
    workers: int = 3
    accepted: list[WorkspaceRequest] = field(default_factory=list)
    running: dict[greenlet, Queued] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.directory = Directory(lambda: self.now)
        self.queue = self.account.queues.setdefault(PROVISIONING, [])
        self.poison = self.account.queues.setdefault(PROVISIONING_POISON, [])
        for kind in ("teams", "groups", "sites", "yammer"):
            self.stored().write_template(Template(id=kind, kind=kind, name=kind))

    @property
    def manners(self) -> Manners:
        return self.directory.manners

    def stored(self) -> Workspaces:
        """The app's own, where nothing breaks."""
        services: Any = Services(Account(self.account.tables))
        return Workspaces(services)

    def app(self) -> App:
        """A new process."""
        return app_on(self.account, SETTINGS, _nobody, lambda: self.now)

    def microsoft(self) -> Microsoft:
        graph = DirectoryExchange(self, "graph", self.directory.base_url)
        return Microsoft(graph, lambda root: DirectoryExchange(self, "sharepoint", root), self.directory.root)

    def tell(self, asked: Asked) -> Told:
        """What Microsoft 365 answers, with the faults that luck brings."""
        odds = self.odds
        assert isinstance(odds, Luck)
        if self.happens(odds.throttled):
            return Told(429, {"error": {"code": "TooManyRequests"}}, {"Retry-After": "7"})
        if self.happens(odds.microsoft_fails):
            if self.chance(0.5):
                self.directory.answer(asked)
            return Told(self.random.choice((500, 502, 503, 504)))
        told = self.directory.answer(asked)
        return Told(0) if self.happens(odds.answer_lost) else told

    # What happens

    def ask_for(self, kind: Kind, name: str, key: str | None = None, **more: Any) -> WorkspaceRequest:
        """As a caller does that tries again until it is told that its request is accepted."""
        given = {"owners": ("mia@contoso.example",), "members": ("leo@contoso.example",), **more}
        wanted = Wanted(kind=kind, template_id=kind, display_name=name, **given)
        outcome: Any = None
        while not isinstance(outcome, Accepted):
            outcome = self._alone(lambda: accept(self.app(), wanted, Caller(OWNER, key or name), self.microsoft()))
            assert outcome is None or isinstance(outcome, Accepted), outcome
            self.now += timedelta(seconds=1)
        if all(each.id != outcome.row.id for each in self.accepted):
            self.accepted.append(outcome.row)
        return outcome.row

    def run(self) -> None:
        """Until nothing is on the queues any more."""
        began_at = self.now
        while self.queue or self.poison or self.running:
            assert self.now - began_at < LONGEST, "it does not come to an end"
            self._revive()
            visible = [each for each in self.queue if each.visible_at <= self.now]
            if visible and len(self.running) < self.workers and (not self.running or self.chance(0.3)):
                self._begin(self.random.choice(visible))
            elif self.running:
                self._go_on(self.random.choice(list(self.running)))
                if self.chance(self.odds.lease_runs_out):
                    self._run_out()
            else:
                waiting = [each.visible_at for each in (*self.queue, *self.poison)]
                self.now = max(self.now, min(waiting, default=self.now))

    def _alone(self, work: Any) -> Any:
        """What it returns; None where it was cut off."""
        found: list[Any] = []

        def body() -> None:
            with suppress(Crash, StorageUnavailable):  # the caller tries again
                found.append(work())

        alone = greenlet(body)
        while not alone.dead:
            alone.switch()
        return found[0] if found else None

    def _begin(self, message: Queued) -> None:
        message.dequeues += 1
        message.visible_at = self.now + LEASE
        if message.dequeues > MOST_DEQUEUES:
            self._to_poison(message)
            return
        number = message.dequeues

        def body() -> None:
            failed = False
            try:
                worker.advance(self.app(), message.text.encode(), number, lambda *_: self.microsoft())
            except StorageUnavailable:
                failed = True
            except Crash:
                return  # its lease runs out in the end
            if message.dequeues != number or message not in self.queue:
                return  # it was given out again: what was got the first time opens it no more
            if failed and number >= MOST_DEQUEUES:
                self._to_poison(message)
            elif failed:
                message.visible_at = self.now + timedelta(minutes=1)
            else:
                self.queue.remove(message)

        started = greenlet(body)
        self.running[started] = message
        self._go_on(started)

    def _go_on(self, one: greenlet) -> None:
        one.switch()
        if one.dead:
            self.running.pop(one, None)

    def _run_out(self) -> None:
        """So much time passes that leases of the queue and of rows are over while work goes on."""
        self.now += self.random.choice((timedelta(minutes=3), timedelta(minutes=6), LEASE + timedelta(minutes=1)))

    def _to_poison(self, message: Queued) -> None:
        if message in self.queue:
            self.queue.remove(message)
            self.poison.append(Queued(message.text, self.now))

    def _revive(self) -> None:
        for message in [each for each in self.poison if each.visible_at <= self.now]:
            if self._alone(lambda text=message.text: self._revived(text)):
                self.poison.remove(message)
            else:
                message.visible_at = self.now + LEASE

    def _revived(self, text: str) -> bool:
        worker.revive(self.app(), text.encode())
        return True

    # What came of it

    def row_of(self, request: WorkspaceRequest) -> WorkspaceRequest:
        stored = self.stored().get(request.id)
        assert stored is not None
        return stored.value

    def published(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and content of every event there is."""
        tables = [rows for name, rows in self.account.tables.items() if name.startswith("events")]
        events = [read_event_row(entity).event for rows in tables for entity, _ in rows.values()]
        return [(event.type, json.loads(event.content)) for event in events]


def lucky(seed: int = 0, odds: Luck | None = None) -> Cloud:
    return Cloud(random.Random(seed), odds or Luck())
