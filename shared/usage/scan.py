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
from shared.storage.rows import Versioned
from shared.storage.sites import Listing, ScanState, SiteRow
from shared.usage.crossings import Assessment, Rules, apply_thresholds, publish_pending
from shared.usage.graph import Graph, connect
from shared.usage.nearest import Candidate, nearest
from shared.usage.report import Report, ReportUnreadable, SiteUsage, read_report
from shared.usage.site_urls import resolve_urls

LIMIT = timedelta(minutes=25)
"""How long a scan may take. host.json's functionTimeout is longer: reaching that would end other invocations too."""

NEAREST_LOGGED = 50


class ScanResult(NamedTuple):
    """What came of the sites: an assessment of each, the candidates for the list, and how many have no known URL."""

    assessments: list[Assessment]
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
    if report.damaged:
        logs.warning("storage.rows_damaged", rows=report.damaged, meaning="their sites are not watched")
    state = app.sites.state()
    if report.names_are_concealed:
        _warn_of_concealment(graph, report)
    else:
        rules = Rules(thresholds, hysteresis, graph.live_usage if app.settings.storage_confirm_crossings else None)
        result, state = _assess_all(app, graph, rules, report, stored, state)
        _look_after_idle_rows(app, report, stored)
        before = app.sites.listing()
        listing = nearest(result.candidates, before, app.now())
        if listing != before:
            app.sites.write_listing(listing)
        _log_scan(app, report, result, listing, time.monotonic() - started)
    app.sites.write_state(
        state.model_copy(
            update={
                "last_success_at": app.now(),
                "names_concealed": report.names_are_concealed,
                "report_date": report.refreshed_on,
            }
        )
    )


def _settled(app: App) -> dict[str, Versioned[SiteRow]]:
    """The rows of sites, after what a scan that was cut off left unpublished is published."""
    settled = {}
    for site_id, stored in app.sites.all().items():
        current: Versioned[SiteRow] | None = stored
        if stored.value.pending:
            publish_pending(app, site_id, stored)
            current = app.sites.get(site_id)
        if current is not None:
            settled[site_id] = current
    return settled


def _assess_all(
    app: App, graph: Graph, rules: Rules, report: Report, rows: dict[str, Versioned[SiteRow]], state: ScanState
) -> tuple[ScanResult, ScanState]:
    without_url = {site.id for site in report.kept.values() if not site.url}
    urls, state = resolve_urls(app, graph, state, without_url, rows.keys())
    near = rules.thresholds.near(rules.hysteresis)
    result = ScanResult([], [], sum(each not in urls and each not in rows for each in without_url))
    for site_id in sorted(report.kept):
        site, stored = report.kept[site_id], rows.get(site_id)
        url = site.url or urls.get(site_id) or (stored.value.url if stored else "")
        if not url:
            continue
        graph.left()
        usage = site._replace(url=url)
        assessment = apply_thresholds(app, usage, stored, rules)
        result.assessments.append(assessment)
        if assessment.standing.passed or near.holds(usage.used_bytes, usage.quota_bytes):
            result.candidates.append(_candidate(usage, assessment, rules.thresholds))
    return result, state


def _candidate(usage: SiteUsage, assessment: Assessment, thresholds: Thresholds) -> Candidate:
    passed = [each for each in thresholds.of(usage.url) if each.name in assessment.standing.passed]
    return Candidate(usage, highest(passed, usage.quota_bytes))


def _look_after_idle_rows(app: App, report: Report, rows: dict[str, Versioned[SiteRow]]) -> None:
    """Forgets rows that have had nothing to say for the retention period: of sites that are gone, and of recovered
    ones. A row that somebody else changes at this moment is left to the next scan."""
    now = app.now()
    for site_id, stored in rows.items():
        row, present = stored.value, site_id in report.present
        if not present and row.missing_since is None:
            app.sites.replace(site_id, row.model_copy(update={"missing_since": now}), stored.etag)
        else:
            idle_since = row.crossed_at if present else row.missing_since
            needed = row.pending or (present and row.standing.passed)
            if idle_since is not None and not needed and now - idle_since > app.settings.retention:
                app.sites.remove(site_id, stored.etag)


def _log_scan(app: App, report: Report, result: ScanResult, listing: Listing, seconds: float) -> None:
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
        exceeded=sum(each.count("exceeded") for each in result.assessments),
        recovered=sum(each.count("recovered") for each in result.assessments),
        unknown=report.unknown,
        unresolved=result.unresolved,
        deleted=report.deleted,
        refuted=sum(each.refuted for each in result.assessments) if confirming else None,
        unconfirmed=sum(each.unconfirmed for each in result.assessments) if confirming else None,
        reportDate=report.refreshed_on,
        seconds=round(seconds, 3),
    )


def _warn_of_concealment(graph: Graph, report: Report) -> None:
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
