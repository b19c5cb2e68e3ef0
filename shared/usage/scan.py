"""A scan: the tenant's site usage against the thresholds, and what is told of it.

A scan may be killed anywhere, run twice or beside another: see crossings.py. One that fails leaves what it has settled,
a log line and a warning in /health; the next one goes on.
"""

import contextlib
import io
import tempfile
import time
from datetime import timedelta
from typing import NamedTuple

from shared import logs
from shared.app import App
from shared.m365.client import GraphFailed
from shared.model.thresholds import Thresholds, highest
from shared.storage.clients import StorageUnavailable
from shared.storage.sites import Listing, ScanState, StoredSite
from shared.usage.crossings import Judged, Rules, judge, publish_pending
from shared.usage.graph import Graph, connect
from shared.usage.nearest import Candidate, nearest
from shared.usage.report import Report, ReportUnreadable, SiteUsage, read_report
from shared.usage.site_urls import join

LIMIT = timedelta(minutes=25)
"""How long a scan may take. host.json's functionTimeout is longer: reaching that would end other invocations too."""

NEAREST_LOGGED = 50


class _Tally(NamedTuple):
    """What came of the sites: how each was judged, the candidates for the list, and how many could not be named."""

    judged: list[Judged]
    candidates: list[Candidate]
    unresolved: int


def scan(app: App, graph: Graph | None = None) -> None:
    """Scans once. What can be expected to go wrong is written to the log and to the state that /health shows."""
    try:
        graph = graph or connect(app.settings, LIMIT)
        try:
            _scan(app, graph)
        finally:
            graph.close()
    except (GraphFailed, ReportUnreadable, StorageUnavailable) as error:
        _note_failure(app, str(error))
    except OSError as error:
        _note_failure(app, f"the report cannot be kept in a temporary file ({error.strerror or type(error).__name__})")
    except Exception as error:
        _note_failure(app, f"unexpectedly ({type(error).__name__}): the host logs the details")
        raise


def thresholds_in_force(app: App) -> Thresholds:
    """Those that were put, else the default of the settings."""
    return app.sites.thresholds() or Thresholds(default=app.settings.storage_thresholds)


def _scan(app: App, graph: Graph) -> None:
    started = time.monotonic()
    stored = _settled(app)
    thresholds, hysteresis = thresholds_in_force(app), app.settings.storage_hysteresis
    near = thresholds.near(hysteresis)
    with tempfile.TemporaryFile() as file:
        graph.download_usage(file)
        file.seek(0)
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            report = read_report(text, near, stored.keys())
    state = app.sites.state()
    if report.names_are_concealed:
        _tell_of_concealment(graph, report)
    else:
        rules = Rules(thresholds, hysteresis, graph.live_usage if app.settings.storage_confirm_crossings else None)
        tally, state = _judge_all(app, graph, rules, report, stored, state)
        _look_after_idle_rows(app, report, stored)
        before = app.sites.listing()
        listing = nearest(tally.candidates, before, app.now())
        if listing != before:
            app.sites.write_listing(listing)
        _tell(app, report, tally, listing, time.monotonic() - started)
    app.sites.write_state(
        state.model_copy(
            update={
                "last_success_at": app.now(),
                "names_concealed": report.names_are_concealed,
                "report_date": report.refreshed_on,
            }
        )
    )


def _settled(app: App) -> dict[str, StoredSite]:
    """The rows of sites, after what a scan that was cut off left unpublished is published."""
    stored = {}
    for known in app.sites.all():
        current: StoredSite | None = known
        if known.row.pending:
            publish_pending(app, known)
            current = app.sites.get(known.id)
        if current is not None:
            stored[known.id] = current
    return stored


def _judge_all(
    app: App, graph: Graph, rules: Rules, report: Report, stored: dict[str, StoredSite], state: ScanState
) -> tuple[_Tally, ScanState]:
    nameless = {site.id for site in report.kept.values() if not site.url}
    urls, state = join(app, graph, state, nameless, stored.keys())
    near = rules.thresholds.near(rules.hysteresis)
    tally = _Tally([], [], sum(each not in urls and each not in stored for each in nameless))
    for identity in sorted(report.kept):
        site, known = report.kept[identity], stored.get(identity)
        url = site.url or urls.get(identity) or (known.row.url if known else "")
        if not url:
            continue
        graph.left()
        usage = site._replace(url=url)
        judged = judge(app, usage, known, rules)
        tally.judged.append(judged)
        if judged.standing.passed or near.holds(usage.used_bytes, usage.quota_bytes):
            tally.candidates.append(_candidate(usage, judged, rules.thresholds))
    return tally, state


def _candidate(usage: SiteUsage, judged: Judged, thresholds: Thresholds) -> Candidate:
    passed = [each for each in thresholds.of(usage.url) if each.name in judged.standing.passed]
    return Candidate(usage, highest(passed, usage.quota_bytes))


def _look_after_idle_rows(app: App, report: Report, stored: dict[str, StoredSite]) -> None:
    """Forgets rows that have had nothing to say for the retention period: of sites that are gone, and of recovered
    ones. A row that somebody else changes at this moment is left to the next scan."""
    now = app.now()
    for known in stored.values():
        row = known.row
        if known.id not in report.present and row.missing_since is None:
            app.sites.replace(known, row.model_copy(update={"missing_since": now}))
        else:
            idle_since = row.missing_since if known.id not in report.present else row.crossed_at
            needed = row.pending or (known.id in report.present and row.standing.passed)
            if idle_since is not None and not needed and now - idle_since > app.retention:
                app.sites.forget(known)


def _tell(app: App, report: Report, tally: _Tally, listing: Listing, seconds: float) -> None:
    confirming = app.settings.storage_confirm_crossings
    for line in listing.value[:NEAREST_LOGGED]:
        logs.info(
            "storage.site_near_limit",
            siteUrl=line.url,
            percent=line.percent,
            currentUsage=line.used_bytes,
            quota=line.quota_bytes,
            threshold=line.threshold,
        )
    logs.info(
        "storage.scanned",
        sites=report.sites,
        kept=len(report.kept),
        exceeded=sum(each.count("exceeded") for each in tally.judged),
        recovered=sum(each.count("recovered") for each in tally.judged),
        unknown=report.unknown,
        unresolved=tally.unresolved,
        deleted=report.deleted,
        refuted=sum(each.refuted for each in tally.judged) if confirming else None,
        unconfirmed=sum(each.unconfirmed for each in tally.judged) if confirming else None,
        reportDate=report.refreshed_on,
        seconds=round(seconds, 3),
    )


def _tell_of_concealment(graph: Graph, report: Report) -> None:
    """Whether the setting is still on tells an admin what to do: switch it off, or wait for the next report."""
    setting: bool | None = None
    with contextlib.suppress(GraphFailed):  # it takes a permission that nothing else needs
        setting = graph.conceals_names()
    logs.warning("storage.names_concealed", sites=report.sites, settingIsOn=setting)


def _note_failure(app: App, reason: str) -> None:
    logs.error("storage.scan_failed", error=reason)
    try:
        app.sites.write_state(app.sites.state().model_copy(update={"last_failure_at": app.now()}))
    except StorageUnavailable as error:
        logs.error("storage.scan_failed", error=f"and that cannot be noted: {error}")
