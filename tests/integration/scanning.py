"""Scans of a tenant whose site usage a test sets, on a real storage account."""

import json
from typing import Any, BinaryIO

from shared.usage.graph import Graph, SitePage
from shared.usage.scan import scan

from .scene import Scene

QUOTA = 2**40
HEADER = "Report Refresh Date,Site Id,Site URL,Is Deleted,Storage Used (Byte),Storage Allocated (Byte)"


def site_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def site_url(number: int) -> str:
    return f"https://contoso.sharepoint.com/sites/s{number}"


class FakeGraph(Graph):
    """Tells of sites by number, with percents of their quota; `named` says whether the report has their URLs."""

    def __init__(self, percents: dict[int, float], named: bool = True) -> None:
        self._percents, self._named = percents, named

    def close(self) -> None:
        pass

    def left(self) -> float:
        return 1500.0

    def download_usage(self, to: BinaryIO) -> None:
        lines = [
            f"2026-11-17,{site_id(number)},{site_url(number) if self._named else ''},False,"
            f"{round(QUOTA * percent / 100)},{QUOTA}"
            for number, percent in self._percents.items()
        ]
        to.write("\r\n".join([HEADER, *lines]).encode("utf-8-sig"))

    def site_page(self, at: str | None) -> SitePage:
        return SitePage([(site_id(number), site_url(number)) for number in self._percents], None)


def run_scan(scene: Scene, percents: dict[int, float], named: bool = True) -> None:
    scan(scene.app, FakeGraph(percents, named))


def told(scene: Scene) -> list[tuple[str, str, Any]]:
    """What was published: direction, site, threshold."""
    contents = [(event.type, json.loads(event.content)) for event in scene.events("storage.")]
    return sorted(
        (name.removeprefix("storage.threshold_"), content["siteUrl"].rpartition("/s")[2], content["threshold"])
        for name, content in contents
    )
