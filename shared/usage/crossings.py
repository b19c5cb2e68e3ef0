"""A threshold crossing, from the site's row to its events: once in effect, whatever is killed or runs at the same time.

The row is changed first, on condition that nobody else changed it: it takes the next counter and the finished events.
Then they are published, under keys made of site, threshold and counter, and then the row is marked. Whoever finds a row
that is not marked publishes the same events again, which publishing recognises.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared import logs
from shared.app import App
from shared.delivery.publisher import Conflict, publish, resume
from shared.m365.client import Refused
from shared.model import Event, read_time, to_ms, utc_text
from shared.model.catalogue import default_severity
from shared.model.thresholds import Crossing, Standing, Thresholds, compare
from shared.storage.clients import Written
from shared.storage.sites import SiteRow, StoredSite
from shared.storage.weeks import week_start
from shared.usage.graph import LiveUsage
from shared.usage.report import SiteUsage


@dataclass(frozen=True)
class Rules:
    """What sites are compared with. `confirm` asks for a site's live usage; None where the report's word is enough."""

    thresholds: Thresholds
    hysteresis: float
    confirm: Callable[[str], LiveUsage | None] | None = None


@dataclass(frozen=True)
class Judged:
    """How a site stands now, and what this scan raised. `refuted`: its live usage did not confirm a crossing;
    `unconfirmed`: it could not be asked for."""

    standing: Standing
    crossings: tuple[Crossing, ...] = ()
    refuted: bool = False
    unconfirmed: bool = False

    def count(self, direction: str) -> int:
        return sum(crossing.direction == direction for crossing in self.crossings)


def judge(app: App, usage: SiteUsage, known: StoredSite | None, rules: Rules) -> Judged:
    """Compares a site's usage with its thresholds and publishes what it has crossed since it was last compared."""
    while True:
        if known is not None and known.row.pending:
            publish_pending(app, known)
            known = app.sites.get(usage.id)
            continue
        judged, usage_now = _compare(usage, known.row.standing if known else Standing(), rules)
        row = _changed(app, usage_now, known.row if known else None, judged)
        if row is None or (known is not None and row == known.row):
            return judged
        written = app.sites.insert(usage.id, row) if known is None else app.sites.replace(known, row)
        if written is Written.DONE and not row.pending:
            return judged
        known = app.sites.get(usage.id)
        if written is Written.DONE:
            if known is not None and known.row.pending:
                publish_pending(app, known)
            return judged


def publish_pending(app: App, known: StoredSite) -> None:
    """Publishes the events of a row, the same bytes however often it is done, and marks the row. Where somebody else
    changed the row meanwhile, they have published them too."""
    for event in known.row.pending:
        _publish(app, event)
    app.sites.replace(known, known.row.model_copy(update={"pending": ()}))


def _compare(usage: SiteUsage, standing: Standing, rules: Rules) -> tuple[Judged, SiteUsage]:
    """The verdict and the figures that it rests on."""
    thresholds = rules.thresholds.of(usage.url)

    def by(figures: SiteUsage, **unsure: bool) -> tuple[Judged, SiteUsage]:
        after, crossings = compare(standing, figures.used_bytes, figures.quota_bytes, thresholds, rules.hysteresis)
        return Judged(after, tuple(crossings), **unsure), figures

    judged, figures = by(usage)
    if not judged.crossings or rules.confirm is None:
        return judged, figures
    try:
        live = rules.confirm(usage.url)
    except Refused:
        live = None
    if live is None:
        return by(usage, unconfirmed=True)
    confirmed, figures = by(usage._replace(used_bytes=live.used_bytes, quota_bytes=live.quota_bytes))
    return (confirmed, figures) if confirmed.crossings else by(figures, refuted=True)


def _changed(app: App, usage: SiteUsage, row: SiteRow | None, judged: Judged) -> SiteRow | None:
    """The row as it should be; None where there is none and none is needed."""
    now = app.now()
    if row is None:
        if not judged.crossings:
            return None
        counter = to_ms(now) // 1000
        row = SiteRow(url=usage.url, counter=counter, crossed_at=now)
    elif judged.standing == row.standing:
        return row.model_copy(update={"missing_since": None})
    else:
        counter = row.counter + 1
    pending = tuple(_event(app, usage, crossing, counter) for crossing in judged.crossings)
    return row.model_copy(
        update={
            "url": usage.url,
            "counter": counter,
            "standing": judged.standing,
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
    return Event(
        type=name,
        content=json.dumps(content, separators=(",", ":")),
        time_stamp=utc_text(app.now()),
        key=f"storage:{usage.id}:{threshold.name.replace('.', '_')}:{counter}",
        severity=threshold.severity if crossing.direction == "exceeded" else default_severity(name),
        tenant=app.settings.own_tenant,
    )


def _publish(app: App, event: Event) -> None:
    now = app.now()
    if week_start(read_time(event.time_stamp)) != week_start(now):  # too long ago for publishing to know it
        stored = app.events.find(event.key, now)
        if stored is not None:
            resume(app, stored)
            return
    outcomes = publish(app, [event])
    if isinstance(outcomes, list) and isinstance(outcomes[0], Conflict):
        logs.error("storage.key_taken", idempotencyKey=event.key, reason="another event was published under it")
