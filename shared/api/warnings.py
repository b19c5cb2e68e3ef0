"""What an admin should look at. Anybody may read it: it names no site and no error."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from shared.app import App
from shared.model import utc_text
from shared.model.sharing import PollState
from shared.model.sharing import warnings_of as warnings_of_polls
from shared.settings import Settings
from shared.storage.sites import ScanState
from shared.storage.workspaces import ProvisioningState

OLD_REPORT = timedelta(days=5)
"""Microsoft's usage report is usually two days old."""


def _polls(app: App) -> PollState | None:
    stored = app.sharing.state() if app.settings.sharing_poll_schedule else None
    return None if stored is None else stored.value


def _workspaces(app: App) -> ProvisioningState | None:
    return app.workspaces.state() if app.settings.provisioning_kinds else None


WATCHED: dict[str, Callable[[App], Any]] = {
    "scans": lambda app: app.sites.state(),
    "polls": _polls,
    "workspaces": _workspaces,
}
"""What stands in storage about each capability; None where it is off, or has not begun. Raises StorageUnavailable."""


def warnings_of(app: App, known: Mapping[str, Any]) -> list[str]:
    """By what is known of those that are WATCHED; None of one says nothing of it, and the others are looked at. Raises
    StorageUnavailable."""
    found = {what: known[what] if what in known else look(app) for what, look in WATCHED.items()}
    return [
        *_disabled(app.settings),
        *_of_scans(app, found["scans"]),
        *_of_polls(app, found["polls"]),
        *_of_workspaces(found["workspaces"]),
    ]


def _disabled(settings: Settings) -> list[str]:
    paused = {
        "dispatch": "deliveries are paused: events are accepted, and wait",
        "scan_storage": "no storage is scanned",
        "poll_sharing": "no sharing is read",
        "provision": "workspaces are not made: requests for them are accepted, and wait",
    }
    return [
        f"{paused.get(name, f'the function {name} does not run')} (AzureWebJobs.{name}.Disabled)"
        for name in sorted(settings.disabled_functions)
    ]


def _of_scans(app: App, state: ScanState | None) -> list[str]:
    """What is odd about the storage scans."""
    found = []
    if app.settings.scan_schedule_problem:
        found.append(f"no storage is scanned: STORAGE_SCAN_SCHEDULE {app.settings.scan_schedule_problem}")
    if state is None:
        return found
    if state.has_failed and state.last_failure_at is not None:
        at = utc_text(state.last_failure_at)
        found.append(f"the storage scan failed at {at}: see storage.scan_failed in the log")
    if state.names_concealed:
        found.append("the tenant's usage reports conceal site names, so no storage threshold is watched")
    if state.report_date is not None and app.now().date() - state.report_date > OLD_REPORT:
        found.append(f"Microsoft's usage report is of {state.report_date}: storage is watched by figures that old")
    return found


def _of_polls(app: App, state: PollState | None) -> list[str]:
    """What is odd about polling the audit log; nothing while that is off."""
    if not app.settings.sharing_poll_schedule:
        return []
    if app.settings.sharing_schedule_problem:
        return [f"no sharing is read: SHARING_POLL_SCHEDULE {app.settings.sharing_schedule_problem}"]
    return [] if state is None else warnings_of_polls(state, app.now())


def _of_workspaces(state: ProvisioningState | None) -> list[str]:
    """What keeps workspaces from being made."""
    if state is None or not state.is_refused or state.refused_at is None:
        return []
    at = utc_text(state.refused_at)
    return [f"Microsoft 365 refused what making a workspace takes at {at}: see provisioning.failed in the log"]
