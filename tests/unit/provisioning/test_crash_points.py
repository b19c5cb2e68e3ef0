"""Every crash point of every kind of workspace, in thousands of random schedules: no workspace is made twice, none is
lost, and every accepted request has one Started and one of Completed and Failed (docs/architecture.md, "An accepted
request ends in an event").
"""

from collections import Counter
from datetime import timedelta

import pytest

from doubles.simulated_workspaces import Cloud, Luck, lucky
from shared.model.provisioning import KINDS, Kind
from shared.provisioning import groups, steps
from shared.storage import workspaces
from shared.storage.workspaces import WorkspaceRequest

SLOW = {"replicated_after_seconds": 20, "site_after_seconds": 100, "operation_after_seconds": 70}
ADMITTED = ("made", "by hand", "taken")
"""Words of failures after which something may be there."""


def _simulate(seed: int, odds: Luck, kinds: tuple[Kind, ...] = KINDS) -> Cloud:
    cloud = lucky(seed, odds)
    for name, value in SLOW.items() if seed % 2 else ():
        setattr(cloud.manners, name, value)
    for kind in kinds:
        cloud.ask_for(kind, f"Quay {kind}")
    cloud.run()
    return cloud


def _check(cloud: Cloud) -> None:
    listed = [row.id for row in cloud.stored().page(None, 200, None).items]
    assert sorted(listed) == sorted(request.id for request in cloud.accepted)
    events = Counter((content["requestId"], name) for name, content in cloud.published())
    for request in cloud.accepted:
        row = cloud.row_of(request)
        assert row.is_over
        assert events[row.id, "ProvisioningStarted"] == 1
        ends = (events[row.id, "ProvisioningCompleted"], events[row.id, "ProvisioningFailed"])
        assert ends == ((1, 0) if row.status == "completed" else (0, 1))
        things = _made(cloud, row)
        assert len(things) <= 1, f"made twice: {things}"
        if row.status == "completed":
            assert [row.microsoft_id] == things
            assert row.kind != "teams" or cloud.directory.groups[things[0]].is_team
        elif things:
            assert any(word in (row.error or "") for word in ADMITTED), row.error


def _made(cloud: Cloud, row: WorkspaceRequest) -> list[str]:
    """Ids of what was made for a request."""
    if row.kind == "sites":
        return [each.id for each in cloud.directory.collections.values() if each.title == row.display_name]
    if row.kind == "yammer":
        return [each.group for each in cloud.directory.communities.values() if each.name == row.display_name]
    return [each.id for each in cloud.directory.groups.values() if each.unique_name == groups.unique_name(row)]


@pytest.mark.parametrize(
    "odds",
    [
        pytest.param(Luck(crash=0.04), id="crashes"),
        pytest.param(Luck(storage_fails=0.05), id="storage-fails"),
        pytest.param(Luck(put_twice=0.2), id="puts-twice"),
        pytest.param(Luck(lease_runs_out=0.02), id="leases-run-out"),
        pytest.param(Luck(answer_lost=0.15), id="answers-are-lost"),
        pytest.param(Luck(microsoft_fails=0.2, throttled=0.2), id="microsoft-fails"),
        pytest.param(
            Luck(
                crash=0.02,
                storage_fails=0.02,
                put_twice=0.03,
                lease_runs_out=0.01,
                microsoft_fails=0.05,
                answer_lost=0.05,
                throttled=0.05,
            ),
            id="everything",
        ),
    ],
)
def test_whatever_breaks_no_workspace_is_made_twice_and_no_request_is_lost(odds: Luck) -> None:
    for seed in range(200 if odds.crash and odds.microsoft_fails else 60):
        try:
            _check(_simulate(seed, odds))
        except AssertionError as error:
            raise AssertionError(f"seed {seed} with {odds}") from error


@pytest.mark.parametrize("kind", KINDS)
def test_without_faults_every_request_completes_in_a_minute_or_two(kind: Kind) -> None:
    cloud = _simulate(1, Luck(), (kind,))
    _check(cloud)
    row = cloud.row_of(cloud.accepted[0])
    assert row.status == "completed"
    assert row.updated_at - row.accepted_at < timedelta(minutes=4)


JUDGED = 60


def _found(odds: Luck, kinds: tuple[Kind, ...] = KINDS) -> int:
    """In how many of some schedules something is wrong."""
    wrong = 0
    for seed in range(JUDGED):
        try:
            _check(_simulate(seed, odds, kinds))
        except (AssertionError, KeyError):
            wrong += 1
    return wrong


def test_the_simulation_sees_intents_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is judged: where a create is never looked for, communities are seen twice."""
    monkeypatch.setattr("shared.provisioning.worker.intended", lambda row, now: row)
    assert _found(Luck(answer_lost=0.2), ("yammer",))


def test_the_simulation_sees_a_look_up_take_an_intent_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that was throttled said nothing of the create before it, whose intent was forgotten."""
    after = steps.after
    monkeypatch.setattr(
        "shared.provisioning.worker.after", lambda row, outcome, now, resumed: after(row, outcome, now, resumed=False)
    )
    assert _found(Luck(answer_lost=0.3, throttled=0.4), ("yammer",))


def test_the_simulation_sees_the_last_message_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was put in the place of another, while that one was worked on, was dropped as a copy."""
    drive = workspaces.drive
    monkeypatch.setattr("shared.provisioning.worker.drive", lambda row, insists=False: drive(row))
    assert _found(Luck(crash=0.03, storage_fails=0.05, lease_runs_out=0.04))
