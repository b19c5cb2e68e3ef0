"""A threshold crossing, from the site's row to its events: once in effect, whatever is killed or runs at the same time.

The row is changed first, on condition that nobody else changed it: it takes the next counter and the finished events.
Then they are published, under keys made of site, threshold and counter, and then the row is marked. Whoever finds a row
that is not marked publishes the same events again, which publishing recognises.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from shared.app import App
from shared.delivery.publisher import own_event, publish_own
from shared.m365.client import Refused
from shared.model import Event, to_ms
from shared.model.thresholds import Crossing, Standing, Thresholds, compare
from shared.storage.clients import Written
from shared.storage.rows import Versioned, write
from shared.storage.sites import SiteRow
from shared.usage.graph import LiveUsage
from shared.usage.report import SiteUsage


@dataclass(frozen=True)
class Rules:
    """What sites are compared with. `confirm` asks for a site's live usage; None where the report's word is enough."""

    thresholds: Thresholds
    hysteresis: float
    confirm: Callable[[str], LiveUsage | None] | None = None


@dataclass(frozen=True)
class Assessment:
    """How a site stands now, and what this scan raised. `refuted`: its live usage did not confirm a crossing;
    `unconfirmed`: it could not be asked for."""

    standing: Standing
    crossings: tuple[Crossing, ...] = ()
    refuted: bool = False
    unconfirmed: bool = False

    def count(self, direction: str) -> int:
        return sum(crossing.direction == direction for crossing in self.crossings)


def apply_thresholds(app: App, usage: SiteUsage, stored: Versioned[SiteRow] | None, rules: Rules) -> Assessment:
    """Compares a site's usage with its thresholds and publishes what it has crossed since it was last compared. Where
    another scan changed the row meanwhile, this begins again with what that one wrote."""
    while stored is not None and stored.value.pending:
        publish_pending(app, usage.id, stored)
        stored = app.sites.get(usage.id)
    before = None if stored is None else stored.value
    assessment, figures = _assess(usage, before.standing if before else Standing(), rules)
    row = _changed(app, figures, before, assessment)
    if row is None or row == before:
        return assessment
    if write(app.sites, usage.id, row, stored) is not Written.DONE:
        return apply_thresholds(app, usage, app.sites.get(usage.id), rules)
    written = app.sites.get(usage.id) if row.pending else None
    if written is not None and written.value.pending:
        publish_pending(app, usage.id, written)
    return assessment


def publish_pending(app: App, site_id: str, stored: Versioned[SiteRow]) -> None:
    """Publishes the events of a row, the same bytes however often it is done, and marks the row. Where somebody else
    changed the row meanwhile, they have published them too."""
    for event in stored.value.pending:
        publish_own(app, event)
    app.sites.replace(site_id, stored.value.model_copy(update={"pending": ()}), stored.etag)


def _assess(usage: SiteUsage, standing: Standing, rules: Rules) -> tuple[Assessment, SiteUsage]:
    """How the site stands, and the figures that say so: live ones only where the report's would be told of."""
    assessment = _compare(usage, standing, rules)
    if not assessment.crossings or rules.confirm is None:
        return assessment, usage
    try:
        live = rules.confirm(usage.url)
    except Refused:
        live = None
    if live is None:
        return replace(assessment, unconfirmed=True), usage
    figures = usage._replace(used_bytes=live.used_bytes, quota_bytes=live.quota_bytes)
    confirmed = _compare(figures, standing, rules)
    return replace(confirmed, refuted=not confirmed.crossings), figures


def _compare(usage: SiteUsage, standing: Standing, rules: Rules) -> Assessment:
    thresholds = rules.thresholds.of(usage.url)
    after, crossings = compare(standing, usage.used_bytes, usage.quota_bytes, thresholds, rules.hysteresis)
    return Assessment(after, tuple(crossings))


def _changed(app: App, usage: SiteUsage, row: SiteRow | None, assessment: Assessment) -> SiteRow | None:
    """The row as it should be; None where there is none and none is needed."""
    now = app.now()
    if row is None:
        if not assessment.crossings:
            return None
        counter = to_ms(now) // 1000
        row = SiteRow(url=usage.url, counter=counter, crossed_at=now)
    elif assessment.standing == row.standing:
        return row.model_copy(update={"missing_since": None})
    else:
        counter = row.counter + 1
    pending = tuple(_event(app, usage, crossing, counter) for crossing in assessment.crossings)
    return row.model_copy(
        update={
            "url": usage.url,
            "counter": counter,
            "standing": assessment.standing,
            "pending": pending,
            "crossed_at": now,
            "missing_since": None,
        }
    )


def _event(app: App, usage: SiteUsage, crossing: Crossing, counter: int) -> Event:
    threshold, name = crossing.threshold, f"storage.threshold_{crossing.direction}"
    content: dict[str, Any] = {
        "siteUrl": usage.url,
        "currentUsage": usage.used_bytes,
        "quota": usage.quota_bytes,
        "threshold" if threshold.percent is not None else "thresholdBytes": (
            threshold.written if threshold.percent is not None else threshold.size_bytes
        ),
    }
    key = f"storage:{usage.id}:{threshold.name.replace('.', '_')}:{counter}"
    return own_event(app, name, content, key, threshold.severity if crossing.direction == "exceeded" else None)
