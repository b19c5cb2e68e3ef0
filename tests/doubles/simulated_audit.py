"""A tenant's audit feed that a test fills, and deployments that poll it. The poll, its stores and publishing are the
app's own code, on a storage account in memory; each call to the feed is a step too."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NoReturn

from cryptography.fernet import Fernet

from doubles.audit_records import DOMAINS, TENANT_ID
from doubles.simulated_deployment import SimulatedDeployment
from doubles.storage_account import app_on
from shared.app import App
from shared.m365.client import GraphFailed
from shared.model import Event
from shared.settings import read_settings
from shared.sharing.feed import Content, ContentFailed, ContentGone, Feed, FeedFailed
from shared.sharing.poll import poll

START = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ALL = "permission.external_share_created,permission.anonymous_link_created,permission.granted,permission.revoked"
LEAST = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "SECRETS_KEY": Fernet.generate_key().decode(),
    "ENTRA_TENANT_ID": TENANT_ID,
    "SHARING_POLL_SCHEDULE": "0 */5 * * * *",
    "SHARING_EVENTS": ALL,
}

Records = list[dict[str, Any]]


@dataclass
class Blob:
    """A content of the feed. `grows_at`: until then it shows the first half of its records; `shown_at`: until then no
    list has it."""

    id: str
    records: Records
    created_at: datetime
    expires_at: datetime
    grows_at: datetime | None = None
    shown_at: datetime | None = None
    failure: Exception | None = None
    body: bytes | None = None


@dataclass
class Service:
    """The Management Activity API, and what it holds. `failure` is raised by every call until it is None."""

    blobs: list[Blob] = field(default_factory=list)
    is_on: bool = True
    starts: int = 0
    failure: Exception | None = None
    domains: frozenset[str] | GraphFailed = DOMAINS
    twice: bool = False
    """Whether a list names everything twice, in the opposite order the second time."""
    calls: list[str] = field(default_factory=list)

    def add(self, records: Records, created_at: datetime, **more: Any) -> Blob:
        blob = Blob(f"{created_at:%Y%m%d%H%M%S}${len(self.blobs)}", records, created_at, created_at + 7 * DAY)
        self.blobs.append(blob)
        for name, value in more.items():
            setattr(blob, name, value)
        return blob


class FakeFeed(Feed):
    """The feed as a process sees it at its time."""

    def __init__(self, service: Service, now: Callable[[], datetime], step: Callable[[], None]) -> None:
        self._service, self._now, self._step = service, now, step

    def close(self) -> None:
        """Nothing is open."""

    def subscribe(self) -> Literal["started", "was on"]:
        self._call("start")
        was_on, self._service.is_on = self._service.is_on, True
        self._service.starts += 1
        return "was on" if was_on else "started"

    def list(self, start: datetime, end: datetime) -> Iterator[Content]:
        self._call("list")
        assert end - start <= timedelta(hours=23)
        assert start > self._now() - 7 * DAY
        if not self._service.is_on:
            raise FeedFailed("not-subscribed", "AF20022")
        found = [
            Content(blob.id, f"https://feed/{blob.id}", blob.created_at, blob.expires_at)
            for blob in self._service.blobs
            if start <= blob.created_at < end and (blob.shown_at or blob.created_at) <= self._now()
        ]
        yield from found
        if self._service.twice:
            yield from reversed(found)

    def read(self, content: Content) -> Iterator[bytes]:
        self._call("read")
        [blob] = [each for each in self._service.blobs if each.id == content.id]
        if blob.failure:
            raise blob.failure
        if blob.expires_at <= self._now():
            raise ContentGone
        if blob.body is not None:
            yield blob.body
            return
        some = blob.grows_at is not None and self._now() < blob.grows_at
        half = len(blob.records) // 2
        yield json.dumps(blob.records[:half]).encode()
        if not some:
            yield json.dumps(blob.records[half:]).encode()

    def domains(self) -> frozenset[str]:
        self._call("domains")
        if isinstance(self._service.domains, GraphFailed):
            raise self._service.domains
        return self._service.domains

    def _call(self, name: str) -> None:
        self._step()
        self._service.calls.append(name)
        if self._service.failure:
            raise self._service.failure


def _nobody(url: str, headers: Mapping[str, str], body: bytes, spent: timedelta) -> NoReturn:
    raise AssertionError("a poll sends nothing itself")


@dataclass(kw_only=True)
class Deployment(SimulatedDeployment):
    """A deployment that polls one tenant's feed."""

    service: Service = field(default_factory=Service)
    now: datetime = START

    def instance(self, ahead: timedelta = timedelta()) -> App:
        """Another process of the same deployment, whose clock may go ahead."""
        return app_on(self.account, read_settings(LEAST | self.settings), _nobody, lambda: self.now + ahead)

    def poll(self, app: App | None = None) -> list[Event]:
        """Polls, and returns what was published by it."""
        before = {event.key for event in self.events()}
        polling = app or self.app
        poll(polling, lambda: FakeFeed(self.service, polling.now, lambda: self.account.step()))
        return [event for event in self.events() if event.key not in before]

    @property
    def state(self) -> Any:
        stored = self.app.sharing.state()
        assert stored is not None
        return stored.value


def ids_of(events: list[Event]) -> list[str]:
    """The ids of the records that these events tell of, sorted."""
    return sorted(str(json.loads(event.content)["auditId"]) for event in events)


UNREADABLE = ContentFailed("the Management Activity API answered 500 to a content of the audit feed")
