"""How the polling of the audit log stands: what a poll must know of the one before, and what an admin is told of it."""

from datetime import datetime, timedelta
from typing import Literal

from shared.model.base import Stored, utc_text

Problem = Literal[
    "permission",
    "auditing-off",
    "throttled",
    "not-subscribed",
    "disabled",
    "configuration",
    "unreachable",
    "storage",
    "unexpected",
]
"""Why a poll has failed."""

LOOK_BACK = timedelta(days=7) - timedelta(hours=1)
"""The feed lists what arrived in the last seven days; an hour is left for clocks and for the poll itself."""

FIRST_LOOK = timedelta(hours=24)
"""How far back the first poll looks: the service fills in about a day when it is first asked."""

TOLD_FOR = timedelta(days=7)
"""For how long a loss is shown as a warning."""


class Gap(Stored):
    """A time of which the feed may have had records that nobody has read. `late`: no poll ran while they were listed;
    `off`: the subscription was off, so that none were collected."""

    kind: Literal["late", "off"]
    start: datetime
    end: datetime
    noted_at: datetime


class PollState(Stored):
    """What polls know of each other. All content that arrived before `cursor` is taken care of; `since` is where the
    first poll began; `start_asked_at` when the subscription was last asked for. `holder` polls until `held_until`."""

    since: datetime
    cursor: datetime
    swept_at: datetime | None = None
    start_asked_at: datetime | None = None
    last_success_at: datetime | None = None
    newest_content_at: datetime | None = None
    problem: Problem | None = None
    failures: int = 0
    retry_at: datetime | None = None
    domains: tuple[str, ...] = ()
    domains_asked_at: datetime | None = None
    domains_unknown: bool = False
    gaps: tuple[Gap, ...] = ()
    lost_at: datetime | None = None
    unreadable_at: datetime | None = None
    parked: int = 0
    holder: str = ""
    held_until: datetime | None = None


_SILENT_AFTER = timedelta(hours=1)
_SEE = "see sharing.poll_failed in the log"
_WORDS: dict[Problem, str] = {
    "permission": "sharing cannot be read: the app's managed identity may not read the tenant's audit log. Grant it "
    f"ActivityFeed.Read (docs/sharing.md says how); {_SEE}",
    "auditing-off": "sharing cannot be read: the tenant keeps no audit log. Turn auditing on in Microsoft Purview; it "
    "is asked again every hour",
    "throttled": "sharing is read late: the audit log's API answers that the tenant asks too often. It is asked again "
    "by itself; if this stays, another product of the tenant asks for too much",
    "not-subscribed": "sharing is not read yet: the subscription to the audit log has been started, and takes effect "
    "within hours",
    "disabled": "sharing cannot be read: the subscription to the audit log is disabled, by an admin of the tenant or "
    "by Microsoft. It is started again by itself; if this stays, ask Microsoft's support",
    "configuration": "sharing cannot be read: ENTRA_TENANT_ID is not the tenant of the app's managed identity",
    "unreachable": f"sharing is read late: the audit log's API does not answer as it should; {_SEE}",
    "storage": f"sharing is read late: the app's own storage failed during a poll; {_SEE}",
    "unexpected": f"sharing cannot be read, for an unexpected reason; {_SEE}",
}


def warnings_of(state: PollState, now: datetime) -> list[str]:
    """What an admin should look at, in words for anybody: they name no site, no person and no error."""
    found = [] if state.problem is None else [_WORDS[state.problem]]
    last = state.last_success_at or state.since + FIRST_LOOK
    if state.problem is None and now - last > _SILENT_AFTER:
        found.append(f"sharing was last read at {utc_text(last)}: the timer poll_sharing does not run, or does not end")
    for gap in state.gaps:
        why = "no poll ran in time" if gap.kind == "late" else "the subscription to the audit log was off"
        found.append(
            f"what was shared between {utc_text(gap.start)} and {utc_text(gap.end)} may be missing, because {why}: "
            "look into the tenant's audit log for that time"
        )
    if state.lost_at is not None and now - state.lost_at <= TOLD_FOR:
        found.append(
            f"a part of the audit log was lost, last noted at {utc_text(state.lost_at)}, because it could not be read "
            "until it expired: see sharing.content_lost in the log"
        )
    if state.unreadable_at is not None and now - state.unreadable_at <= TOLD_FOR:
        found.append(
            f"a record about sharing could not be understood, last at {utc_text(state.unreadable_at)}: see "
            "sharing.record_unreadable in the log, and whether a newer version of this app is there"
        )
    if state.parked:
        found.append(
            f"{state.parked} parts of the audit log cannot be read now and are tried again: see sharing.content_failed"
        )
    if state.domains_unknown:
        found.append(
            "the tenant's domains cannot be read, so that "
            + ("the ones last read count" if state.domains else "only guests' names say who is outside")
            + ": grant Domain.Read.All (docs/sharing.md says how)"
        )
    return found
