"""The laws of polling: each fact in the feed is told once, whatever is killed, late, repeated or at work beside it."""

import random
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from greenlet import getcurrent, greenlet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doubles.audit_records import a_grant, a_record, audit_id
from doubles.simulated_audit import DAY, HOUR, MINUTE, START, UNREADABLE, Deployment, Service, ids_of
from doubles.simulated_deployment import counted, kill, steps_in
from doubles.storage_account import Account, Crash
from shared.app import App
from shared.sharing.mapping import SharingEvent
from shared.sharing.run import LEASE
from shared.sharing.teller import Teller

TOLD_IN = "docs/sharing.md#how-it-is-read"

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOON = LEASE + timedelta(seconds=1)


def a_share(number: int) -> dict[str, Any]:
    """One fact: an anonymous link, a guest, somebody inside."""
    action = f"c0ffee00-0000-4000-8000-{number:012x}"
    if number % 3 == 0:
        return a_record("AnonymousLinkCreated", number, CorrelationId=action, EventData="<Type>Edit</Type>")
    guest = f"guest{number}@fabrikam.example" if number % 3 == 1 else "leo@contoso.example"
    return a_grant("AddedToSecureLink", guest, "Member", number, CorrelationId=action)


NOISE = [a_record("SharingInheritanceBroken", 900), {"RecordType": 6, "Operation": "FileAccessed", "Id": audit_id(901)}]

deliveries = st.lists(
    st.tuples(st.lists(st.integers(1, 9), max_size=4), st.integers(0, 5 * 24 * 60), st.integers(0, 3 * 24 * 60)),
    min_size=1,
    max_size=6,
)
"""Contents: the numbers of their shares, the minutes until they arrive, and until a list has them."""


def filled(contents: list[tuple[list[int], int, int]], start: Any = START) -> Service:
    service = Service()
    for numbers, minutes, hidden in contents:
        arrival = start + minutes * MINUTE
        shown_at = arrival + min(hidden, 24 * 60 - 30) * MINUTE
        service.add([*map(a_share, numbers), *NOISE], arrival, shown_at=shown_at)
    return service


def numbers_of(contents: list[tuple[list[int], int, int]]) -> list[str]:
    return sorted({audit_id(number) for numbers, _, _ in contents for number in numbers})


@FEW
@given(deliveries, st.booleans(), st.lists(st.integers(1, 60 * 24), max_size=12))
def test_each_record_is_told_once_however_late_and_often_it_comes(
    contents: list[tuple[list[int], int, int]], twice: bool, pauses: list[int]
) -> None:
    deployment = Deployment(service=filled(contents))
    deployment.service.twice = twice
    for pause in pauses:
        deployment.poll()
        deployment.now += pause * MINUTE
    for _ in range(16):
        deployment.poll()
        deployment.now += 12 * HOUR
    assert ids_of(deployment.events()) == numbers_of(contents)
    assert deployment.queued() == {event.key for event in deployment.events()}
    assert deployment.state.gaps == ()


@settings(FEW, max_examples=30)
@given(deliveries, st.integers(3, 30))
def test_a_content_that_grows_for_ten_minutes_is_told_whole(
    contents: list[tuple[list[int], int, int]], every: int
) -> None:
    service = filled([(numbers, minutes % 120, 0) for numbers, minutes, _ in contents])
    for blob in service.blobs:
        blob.grows_at = blob.created_at + 10 * MINUTE
    deployment = Deployment(service=service)
    for _ in range(180 // every + 1):
        deployment.poll()
        deployment.now += every * MINUTE
    assert ids_of(deployment.events()) == numbers_of(contents)


@FEW
@given(deliveries)
def test_a_poll_of_a_feed_without_news_reads_nothing_and_writes_its_state(
    contents: list[tuple[list[int], int, int]],
) -> None:
    deployment = Deployment(service=filled(contents))
    deployment.now += 7 * DAY - 2 * HOUR
    deployment.poll()
    deployment.poll()
    deployment.account.writes.clear()
    deployment.service.calls.clear()
    assert deployment.poll() == []
    assert "read" not in deployment.service.calls
    assert deployment.account.writes == [("sharing", "polls")] * 2


def started(contents: list[tuple[list[int], int, int]]) -> Deployment:
    """A deployment that has polled in peace, and to whose feed these contents have come since."""
    deployment = Deployment(service=filled(BEFORE, START - 2 * HOUR))
    deployment.poll()
    deployment.service.blobs += filled(contents).blobs
    deployment.now += HOUR
    return deployment


def copy_of(deployment: Deployment) -> Deployment:
    account = Account(deepcopy(deployment.account.tables), deepcopy(deployment.account.queues))
    return Deployment(account=account, service=deepcopy(deployment.service), now=deployment.now)


def steps_of(deployment: Deployment) -> int:
    """How many steps the poll takes, to storage and to the feed."""
    copy = copy_of(deployment)
    return steps_in(copy.account, copy.poll)


BEFORE = [([1, 2], 0, 0)]
AFTER = [([3, 4, 1], 0, 0), ([5, 6], 10, 0), ([3], 58, 0)]
TWINS = (
    a_grant("SharingSet", "zoe@fabrikam.example", "Guest", 20, ItemType="Web"),
    a_grant("AddedToGroup", "zoe@fabrikam.example", "Guest", 21, EventData="<Group>Quay Members</Group>"),
)


def with_more(deployment: Deployment) -> Deployment:
    """Also what takes more than one step: twins, and a content that cannot be read at first."""
    deployment.service.add(list(TWINS), START + 20 * MINUTE)
    deployment.service.add([a_share(7)], START + 21 * MINUTE, failure=UNREADABLE)
    return deployment


def told(deployment: Deployment) -> list[str]:
    """Ids of the records that were told of, either of the twins as the first one."""
    twin = {audit_id(21): audit_id(20)}
    return sorted(twin.get(each, each) for each in ids_of(deployment.events()))


EXPECTED = [audit_id(number) for number in (1, 2, 3, 4, 5, 6, 7, 20)]


def settle(deployment: Deployment) -> None:
    """Polls in peace, after which the content can be read too."""
    deployment.account.step = lambda: None
    deployment.now += SOON
    deployment.poll()
    for blob in deployment.service.blobs:
        blob.failure = None
    deployment.now += HOUR
    deployment.poll()


@pytest.mark.parametrize("begin", [Deployment, lambda: started([])], ids=["first-poll", "later-poll"])
def test_a_poll_killed_at_any_step_and_run_again_tells_the_same_once(begin: Callable[[], Deployment]) -> None:
    before = with_more(begin())
    before.service.blobs += filled(BEFORE + AFTER).blobs
    before.now = START + HOUR
    total = steps_of(before)
    assert total > 60
    for number in range(total):
        deployment = copy_of(before)
        deployment.account.step = counted(number, kill)
        with pytest.raises(Crash):
            deployment.poll()
        settle(deployment)
        assert told(deployment) == EXPECTED, f"killed at step {number}"
        assert deployment.queued() == {event.key for event in deployment.events()}, f"killed at step {number}"
        assert deployment.app.sharing.parked() == []


def test_a_whole_poll_at_any_step_of_another_whose_lease_is_over_tells_each_once() -> None:
    before = with_more(started(AFTER))
    for number in range(steps_of(before)):
        deployment = copy_of(before)
        other = deployment.instance(ahead=SOON)
        deployment.account.step = counted(number, lambda it=deployment, app=other: it.poll(app))  # type: ignore[misc]
        deployment.poll()
        settle(deployment)
        assert told(deployment) == EXPECTED, f"at step {number}"
        assert deployment.queued() == {event.key for event in deployment.events()}, f"at step {number}"


@FEW
@given(deliveries, st.randoms(use_true_random=False), st.floats(0, 0.02))
def test_polls_that_take_turns_at_every_step_and_die_tell_each_once(
    contents: list[tuple[list[int], int, int]], chance: random.Random, odds: float
) -> None:
    deployment, main = Deployment(service=filled([(each, 0, 0) for each, _, _ in contents])), getcurrent()
    deployment.service.add(list(TWINS), START)
    deployment.now += HOUR

    def step() -> None:
        if getcurrent() is not main:
            main.switch()
            if chance.random() < odds:
                raise Crash

    def run(app: App) -> None:
        try:
            deployment.poll(app)
        except Crash:
            return

    deployment.account.step = step
    running = [greenlet(lambda ahead=ahead: run(deployment.instance(ahead * SOON))) for ahead in range(3)]
    while running := [each for each in running if not each.dead]:
        chance.choice(running).switch()
    deployment.account.step = lambda: None
    deployment.now += 4 * SOON
    deployment.poll()
    assert told(deployment) == sorted({*numbers_of(contents), audit_id(20)})
    assert deployment.queued() == {event.key for event in deployment.events()}


FACTS = (
    ("SharingSet", "zoe@fabrikam.example"),
    ("SharingSet", "zoe@fabrikam.example"),
    ("AddedToGroup", "Zoe@Fabrikam.example"),
    ("AddedToGroup", "kim@fabrikam.example"),
)


@FEW
@given(st.permutations(range(4)), st.integers(0, 3), st.booleans())
def test_a_pair_of_twins_is_told_once_in_any_order_and_nobody_else_is_lost(
    order: list[int], apart: int, correlated: bool
) -> None:
    """Two items shared with one person, who is also made a member; and somebody else."""
    action = "action" if correlated else None
    members = [
        a_grant(operation, person, "Guest", number, CorrelationId=action, EventData="<Group>Quay Members</Group>")
        for number, (operation, person) in enumerate(FACTS, 1)
    ]
    for member in members:
        member["CreationTime"] = "2026-11-22T23:59:45"
    members[2]["CreationTime"] = f"2026-11-23T00:00:{apart * 15:02}"  # the next minute, and the next week
    deployment = Deployment(now=START + 3 * DAY)
    for at in order:
        deployment.service.add([members[at]], deployment.now - HOUR + at * MINUTE)
        deployment.poll()
    found = ids_of(deployment.events())
    assert len(found) == 3
    assert audit_id(4) in found


def test_the_laws_would_see_a_record_marked_before_its_event_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The laws are tried, too."""

    publishing = Teller._publish

    def mark_first(teller: Teller, event: SharingEvent, record_id: str, operation: str) -> str:
        sharing = teller._app.sharing
        if sharing.is_told(record_id, event.at):
            return "known"
        sharing.mark_told(record_id, event.at)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(sharing), "is_told", lambda *_: False)
            return publishing(teller, event, record_id, operation)

    monkeypatch.setattr(Teller, "_publish", mark_first)
    before, lost = started(AFTER), 0
    for number in range(steps_of(before)):
        deployment = copy_of(before)
        deployment.account.step = counted(number, kill)
        with pytest.raises(Crash):
            deployment.poll()
        settle(deployment)
        lost += told(deployment) != [each for each in EXPECTED if each not in (audit_id(7), audit_id(20))]
    assert lost
