"""A tenant whose site usage a test sets. The scan, its stores and publishing are the app's own code, on a storage
account in memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, NoReturn

from cryptography.fernet import Fernet

from doubles.simulated_deployment import SimulatedDeployment
from doubles.storage_account import app_on
from shared.app import App
from shared.m365.client import GraphFailed
from shared.model import Event
from shared.settings import read_settings
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


class FakeGraph(Graph):
    """Tells of these rows. `listed` are the pages of all sites; `live` the live usage by URL."""

    def __init__(self, rows: list[str], header: str = HEADER) -> None:
        self.report = "\ufeff" + "\r\n".join([header, *rows]) + "\r\n"
        self.listed: list[list[tuple[str, str]]] = [[]]
        self.live: dict[str, LiveUsage | GraphFailed | None] = {}
        self.live_asked: list[str] = []
        self.concealing: bool | GraphFailed = False
        self.pages_asked: list[str | None] = []
        self.circles = False
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
        last = "1" if self.circles else None
        return SitePage(self.listed[number], str(number + 1) if number + 1 < len(self.listed) else last)

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


def _nobody(url: str, headers: Mapping[str, str], body: bytes, spent: timedelta) -> NoReturn:
    raise AssertionError("a scan sends nothing itself")


@dataclass(kw_only=True)
class Tenant(SimulatedDeployment):
    """A deployment that scans one tenant."""

    now: datetime = START

    def instance(self) -> App:
        """Another process of the same deployment."""
        settings = read_settings(LEAST | {"TENANT_ID": "contoso"} | self.settings)
        return app_on(self.account, settings, _nobody, lambda: self.now)

    def scan(self, *rows: str, graph: FakeGraph | None = None) -> list[Event]:
        """Scans, and returns what was published by it."""
        before = {event.key for event in self.events()}
        scan(self.app, graph or FakeGraph(list(rows)))
        return [event for event in self.events() if event.key not in before]

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
