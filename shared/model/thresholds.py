"""Thresholds of site usage: how they are written, which hold for a site, and what crossing them means. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from shared.model.base import Stored
from shared.model.event import SEVERITIES, Severity
from shared.model.site_patterns import Site

MOST_THRESHOLDS = 20
"""The most that one site can have."""

GB = 2**30
_UNITS = {"TB": 2**40, "GB": GB, "MB": 2**20}
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([MmGgTt][Bb])")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?) ?%?")
LEAST_PERCENT = 0.001
WRITTEN = f"^(?:{_SIZE.pattern}|{_PERCENT.pattern})$"
"""Pattern of the texts that `read_threshold` takes."""
HOW = "give a percentage of the quota above 0 and at most 100, such as 90, or a size such as 500GB (MB, GB, TB)"

NEAR_POINTS = 3.0
"""How far below the hysteresis of the lowest threshold a site still counts as near its limit."""
_NEAR_SHARE = 0.8


class Threshold(Stored):
    """Site usage that is worth an event: a percentage of the quota, or bytes. Exactly one of the two is given."""

    percent: Annotated[float, Field(gt=0, le=100)] | None = None
    size_bytes: Annotated[int, Field(gt=0)] | None = None
    severity: Severity

    @property
    def name(self) -> str:
        """What it is known by from one scan to the next: `90`, `87.5`, `536870912000B`; severity does not count."""
        return f"{self.size_bytes}B" if self.percent is None else f"{self.percent:g}"

    @property
    def written(self) -> int | float | str:
        """As the API writes it: 90, 87.5, "500GB"."""
        if self.percent is not None:
            return int(self.percent) if self.percent == int(self.percent) else self.percent
        size = self.size_bytes or 0
        unit = next((unit for unit, factor in _UNITS.items() if size % factor == 0), None)
        return f"{size / 2**20:f}".rstrip("0").rstrip(".") + "MB" if unit is None else f"{size // _UNITS[unit]}{unit}"

    def level(self, quota_bytes: int) -> float | None:
        """The usage that passes it, in bytes; None for a percentage of a quota that is not known."""
        if self.percent is None:
            return self.size_bytes
        return self.percent / 100 * quota_bytes if quota_bytes > 0 else None

    def release(self, quota_bytes: int, hysteresis: float) -> float | None:
        """The usage below which a site that passed it has recovered: `hysteresis` is in points of the quota, or in
        percent of a size. At least half the threshold, or a low one would never recover."""
        if self.percent is None:
            return (self.size_bytes or 0) * (1 - hysteresis / 100)
        return max(self.percent - hysteresis, self.percent / 2) / 100 * quota_bytes if quota_bytes > 0 else None


class Override(Stored):
    """Thresholds of the sites whose URL matches a pattern; none at all for sites that are to be left alone."""

    site: str
    thresholds: tuple[Threshold, ...]


class Thresholds(Stored):
    """The whole configuration: of the first override that matches, else the default."""

    default: tuple[Threshold, ...]
    sites: tuple[Override, ...] = ()

    def of(self, url: str) -> tuple[Threshold, ...]:
        site = Site(url) if self.sites else None
        matching = (override for override in self.sites if site and site.matches((override.site,)))
        found = next(matching, None)
        return self.default if found is None else found.thresholds

    def near(self, hysteresis: float) -> "Near":
        """What is near the lowest threshold configured anywhere."""
        known = [*self.default, *(each for override in self.sites for each in override.thresholds)]
        percents = [each.percent for each in known if each.percent is not None]
        sizes = [each.size_bytes for each in known if each.size_bytes is not None]
        share, size = 2.0, float("inf")  # nothing reaches twice its quota
        if percents:
            lowest = min(percents)
            share = max(lowest - hysteresis - NEAR_POINTS, lowest * _NEAR_SHARE) / 100
        if sizes:
            size = min(sizes) * max(1 - (hysteresis + NEAR_POINTS) / 100, _NEAR_SHARE)
        return Near(share, size)


class Near(NamedTuple):
    """Site usage from which a site is worth keeping: a share of its quota, or bytes."""

    share: float
    size_bytes: float

    def holds(self, used_bytes: int, quota_bytes: int) -> bool:
        return used_bytes >= self.size_bytes or 0 < quota_bytes * self.share <= used_bytes


class Standing(NamedTuple):
    """How a site stands: names of the thresholds that it has passed, and of those among them that were announced and
    must be called off when it recovers. Sorted."""

    passed: tuple[str, ...] = ()
    announced: tuple[str, ...] = ()


@dataclass(frozen=True)
class Crossing:
    """A threshold passed, upward or back, that is to be published."""

    direction: Literal["exceeded", "recovered"]
    threshold: Threshold


def compare(
    standing: Standing, used_bytes: int, quota_bytes: int, thresholds: Sequence[Threshold], hysteresis: float
) -> tuple[Standing, list[Crossing]]:
    """How the site stands now, and what is to be published of the difference.

    Upward only the highest threshold is published, and only if it was not passed before; those below count as passed
    silently. Back, each that was announced is called off. A threshold that is configured no more is forgotten
    silently, and one whose level cannot be known (no quota) stays as it is.
    """
    passed: set[str] = set()
    announced: set[str] = set()
    crossings: list[Crossing] = []
    for threshold in thresholds:
        name = threshold.name
        before = name in standing.passed
        if _is_passed(threshold, before, used_bytes, quota_bytes, hysteresis):
            passed.add(name)
            if name in standing.announced:
                announced.add(name)
        elif name in standing.announced:
            crossings.append(Crossing("recovered", threshold))
    top = highest((each for each in thresholds if each.name in passed), quota_bytes)
    if top is not None and top.name not in standing.passed:
        announced.add(top.name)
        crossings.append(Crossing("exceeded", top))
    return Standing(tuple(sorted(passed)), tuple(sorted(announced))), crossings


def highest(thresholds: Iterable[Threshold], quota_bytes: int) -> Threshold | None:
    """The threshold that the most usage is needed to pass; of two alike the more severe."""
    return max(
        thresholds,
        key=lambda each: (each.level(quota_bytes) or 0.0, SEVERITIES.index(each.severity), each.name),
        default=None,
    )


def read_threshold(written: object, severity: Severity) -> Threshold:
    """90, 87.5, "90", "90%" or "500GB" as a threshold. Raises ValueError that says how to write one."""
    if isinstance(written, (int, float)) and not isinstance(written, bool):
        percent = float(written) if abs(written) <= 100 else 0.0  # no number is not at most 100 either
    elif isinstance(written, str) and (size := _SIZE.fullmatch(written)):
        size_bytes = round(float(size[1]) * _UNITS[size[2].upper()])
        if size_bytes < 1:
            raise ValueError(HOW)
        return Threshold(size_bytes=size_bytes, severity=severity)
    elif isinstance(written, str) and (share := _PERCENT.fullmatch(written)):
        percent = float(share[1])
    else:
        raise ValueError(HOW)
    if not LEAST_PERCENT <= percent <= 100:
        raise ValueError(HOW)
    return Threshold(percent=round(percent, 3), severity=severity)


def require_distinct(thresholds: Sequence[Threshold]) -> None:
    """Raises ValueError where one is there twice, or there are too many."""
    names = [each.name for each in thresholds]
    for each in thresholds:
        if names.count(each.name) > 1:
            raise ValueError(f"{each.written} is there twice: give each threshold once, with one severity")
    if len(names) > MOST_THRESHOLDS:
        raise ValueError(f"at most {MOST_THRESHOLDS} thresholds are taken")


def read_thresholds(text: str) -> tuple[Threshold, ...]:
    """`75:medium,90:high,500GB:critical`. Raises ValueError that says how to write it."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        written, _, wanted = part.rpartition(":")
        severity = next((each for each in SEVERITIES if each == wanted.strip().lower()), None)
        if not written or severity is None:
            raise ValueError(
                "give thresholds with their severity (low, medium, high or critical), separated by commas, for example "
                "75:medium,90:high,500GB:critical"
            )
        found.append(read_threshold(written.strip(), severity))
    require_distinct(found)
    return tuple(found)


def _is_passed(threshold: Threshold, before: bool, used_bytes: int, quota_bytes: int, hysteresis: float) -> bool:
    level, release = threshold.level(quota_bytes), threshold.release(quota_bytes, hysteresis)
    if level is None or release is None:
        return before
    return used_bytes >= (release if before else level)
