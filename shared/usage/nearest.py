"""The list of sites nearest their limit. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from shared.model.thresholds import Threshold
from shared.storage.sites import ListedSite, Listing
from shared.usage.report import SiteUsage

MOST_LISTED = 1000


class Candidate(NamedTuple):
    """A site, its URL joined, with the highest threshold that it has passed."""

    usage: SiteUsage
    threshold: Threshold | None


def nearest(candidates: Iterable[Candidate], before: Listing, now: datetime) -> Listing:
    """Those with the greatest share of their quota in use, up to MOST_LISTED. A line keeps its `changed_at` while
    usage, quota and threshold are what they were."""
    order = sorted(candidates, key=lambda each: (-each.usage.percent, -each.usage.used_bytes, each.usage.id))
    known = {line.id: line for line in before.value}
    return Listing(value=tuple(_line(each, known.get(each.usage.id), now) for each in order[:MOST_LISTED]))


def _line(candidate: Candidate, before: ListedSite | None, now: datetime) -> ListedSite:
    usage = candidate.usage
    line = ListedSite(
        id=usage.id,
        url=usage.url,
        used_bytes=usage.used_bytes,
        quota_bytes=usage.quota_bytes,
        percent=round(usage.percent, 2),
        threshold=None if candidate.threshold is None else candidate.threshold.written,
        changed_at=now,
    )
    said = {"used_bytes", "quota_bytes", "threshold"}
    if before is not None and line.model_dump(include=said) == before.model_dump(include=said):
        return line.model_copy(update={"changed_at": before.changed_at})
    return line
