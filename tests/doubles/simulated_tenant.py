"""A tenant whose site usage a test sets, and a storage account in memory in which every call is a step that a test can
break off or let another scan run at. The scan, its stores and publishing are the app's own code."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, cast

from cryptography.fernet import Fernet

from shared.app import App
from shared.m365.client import GraphFailed
from shared.model import DeliveryId, Endpoint, Event, Health, endpoint_id
from shared.settings import read_settings
from shared.storage import chunks
from shared.storage.clients import Services, Written
from shared.storage.events import EventRow, Events
from shared.storage.messages import decode
from shared.storage.sites import Sites
from shared.usage.graph import Graph, LiveUsage, SitePage
from shared.usage.scan import scan

START = datetime(2026, 11, 19, 10, tzinfo=UTC)
GB = 2**30
QUOTA = 1000 * GB
HEADER = (
    "Report Refresh Date,Site Id,Site URL,Owner Display Name,Is Deleted,Last Activity Date,File Count,"
    "Active File Count,Page View Count,Visited Page Count,Storage Used (Byte),Storage Allocated (Byte),"
    "Root Web Template,Owner Principal Name,Report Period"
)
LEAST = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
URL = "https://receiver.example/hook"


class Killed(BaseException):
    """The process ends here: no handler may see it."""


def site_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def site_url(number: int) -> str:
    return f"https://contoso.sharepoint.com/sites/s{number}"


def a_row(number: int, percent: float | None, *, named: bool = True, deleted: bool = False, **more: str) -> str:
    """A line of the report; None is a storage that it does not tell."""
    used = "" if percent is None else str(round(QUOTA * percent / 100))
    cells = ["2026-11-17", site_id(number), site_url(number) if named else "", "Owners", str(deleted), "2026-11-16"]
    cells += ["37", "8", "50", "1", used, str(QUOTA), "Group", "hr@contoso.com", "7"]
    for name, value in more.items():
        cells[{"id": 1, "url": 2, "quota": 11, "used": 10}[name]] = value
    return ",".join(cells)


class Entity(dict[str, Any]):
    metadata: Mapping[str, Any]


@dataclass
class Account:
    """Tables in memory. `step` is called before and after everything that is done to one."""

    tables: dict[str, dict[tuple[str, str], Entity]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    writes: list[tuple[str, str]] = field(default_factory=list)
    step: Callable[[], None] = lambda: None
    versions: int = 0

    def table(self, name: str) -> "FakeTable":
        return FakeTable(self, name)


class FakeTable:
    """As shared.storage.clients.Table."""

    def __init__(self, account: Account, name: str) -> None:
        self.account, self.name = account, name

    @property
    def missing(self) -> bool:
        return self.name not in self.account.tables

    def create(self) -> None:
        self.account.step()
        self.account.tables.setdefault(self.name, {})

    def get(self, partition: str, row: str) -> Entity | None:
        self.account.step()
        return self.account.tables.get(self.name, {}).get((partition, row))

    def query(self, condition: str, values: Mapping[str, Any], page: int = 1000) -> Iterator[Entity]:
        self.account.step()
        first, end = values.get("first", ""), values.get("end", "~")
        rows = sorted(self.account.tables.get(self.name, {}).items())
        yield from [each for (partition, row), each in rows if partition == values["partition"] and first <= row < end]

    def insert(self, entity: Mapping[str, Any]) -> Written:
        return self._write(entity, lambda known: known is None)

    def replace(self, entity: Mapping[str, Any], etag: str) -> Written:
        return self._write(entity, lambda known: known is not None and known.metadata["etag"] == etag)

    def upsert(self, entity: Mapping[str, Any]) -> Written:
        return self._write(entity, lambda known: True)

    def remove(self, partition: str, row: str, etag: str) -> Written:
        self.account.step()
        known = self.get(partition, row)
        if known is None or known.metadata["etag"] != etag:
            return Written.CONFLICT
        del self.account.tables[self.name][partition, row]
        self.account.writes.append((self.name, row))
        return Written.DONE

    def _write(self, entity: Mapping[str, Any], allowed: Callable[[Entity | None], bool]) -> Written:
        self.account.step()
        if self.missing:
            return Written.NO_TABLE
        rows, key = self.account.tables[self.name], (entity["PartitionKey"], entity["RowKey"])
        if not allowed(rows.get(key)):
            return Written.CONFLICT
        rows[key] = Entity(entity)
        self.account.versions += 1
        rows[key].metadata = {"etag": str(self.account.versions)}
        self.account.writes.append((self.name, entity["RowKey"]))
        self.account.step()
        return Written.DONE


class FakeGraph(Graph):
    """Tells of these rows. `listed` are the pages of all sites; `live` the live usage by URL."""

    def __init__(self, rows: list[str], header: str = HEADER) -> None:
        self.report = "\ufeff" + "\r\n".join([header, *rows]) + "\r\n"
        self.listed: list[list[tuple[str, str]]] = [[]]
        self.live: dict[str, LiveUsage | GraphFailed | None] = {}
        self.live_asked: list[str] = []
        self.concealing: bool | GraphFailed = False
        self.pages_asked: list[str | None] = []
        self.seconds_left = 1500.0

    def close(self) -> None:
        pass

    def left(self) -> float:
        return self.seconds_left

    def download_usage(self, to: BinaryIO) -> None:
        to.write(self.report.encode())

    def site_page(self, at: str | None) -> SitePage:
        self.pages_asked.append(at)
        number = int(at or 0)
        return SitePage(self.listed[number], str(number + 1) if number + 1 < len(self.listed) else None)

    def live_usage(self, site_url: str) -> LiveUsage | None:
        self.live_asked.append(site_url)
        live = self.live[site_url]
        if isinstance(live, GraphFailed):
            raise live
        return live

    def conceals_names(self) -> bool:
        if isinstance(self.concealing, GraphFailed):
            raise self.concealing
        return self.concealing


class _Endpoints:
    def all(self) -> list[Endpoint]:
        return [
            Endpoint(
                id=endpoint_id(URL),
                url=URL,
                secret="whsec_" + "A" * 32,
                generation=1,
                types=("*",),
                created_at=START,
                updated_at=START,
                health=Health(generation=1),
            )
        ]


class _Deliveries:
    """Nothing is ever attempted."""

    def get(self, delivery_id: DeliveryId) -> None:
        return None


class _Queue:
    def __init__(self, account: Account) -> None:
        self.account = account

    def put(self, text: str, delay: timedelta = timedelta()) -> None:
        self.account.step()
        self.account.messages.append(text)


@dataclass
class Tenant:
    """A deployment that scans one tenant."""

    account: Account = field(default_factory=Account)
    settings: dict[str, str] = field(default_factory=dict)
    now: datetime = START

    def __post_init__(self) -> None:
        self.app = self.instance()

    def instance(self) -> App:
        """Another process of the same deployment."""
        services = cast(Services, self.account)
        settings = read_settings(LEAST | {"TENANT_ID": "contoso"} | self.settings)
        parts: dict[str, Any] = dict.fromkeys(
            ("options", "poison", "outbound", "post", "tokens", "breaker", "share", "copies"),
        )
        parts |= {"endpoints": _Endpoints(), "deliveries": _Deliveries(), "queue": _Queue(self.account)}
        return App(
            settings=settings,
            events=Events(services, timedelta(hours=24), timedelta(days=30)),
            sites=Sites(services),
            services=services,
            now=lambda: self.now,
            **parts,
        )

    def scan(self, *rows: str, graph: FakeGraph | None = None) -> list[Event]:
        """Scans, and answers what was published by it."""
        before = {event.key for event in self.events()}
        scan(self.app, graph or FakeGraph(list(rows)))
        return [event for event in self.events() if event.key not in before]

    def events(self) -> list[Event]:
        """All that were ever published, in order of their keys."""
        rows = [
            EventRow.model_validate_json(chunks.join("Row", entity)).event
            for name, table in self.account.tables.items()
            if name.startswith("events")
            for entity in table.values()
        ]
        return sorted(rows, key=lambda event: event.key)

    def queued(self) -> set[str]:
        """The keys of the events that are on their way."""
        return {decode(text.encode()).key for text in self.account.messages}

    def state(self) -> dict[str, Any]:
        return json.loads(self.app.sites.state().model_dump_json())  # type: ignore[no-any-return]


def told(events: list[Event]) -> list[tuple[str, str, Any]]:
    """What events say: direction, site, threshold. Sorted."""
    found = []
    for event in events:
        content = json.loads(event.content)
        threshold = content.get("threshold", content.get("thresholdBytes"))
        found.append((event.type.removeprefix("storage.threshold_"), content["siteUrl"].rpartition("/s")[2], threshold))
    return sorted(found)
