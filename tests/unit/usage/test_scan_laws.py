"""The laws of a scan: no event without a crossing, never two for one, whatever is killed or runs at the same time."""

import random
from copy import deepcopy

import pytest
from greenlet import getcurrent, greenlet
from hypothesis import example, given, settings
from hypothesis import strategies as st

from doubles.simulated_deployment import counted, kill, steps_in
from doubles.simulated_tenant import QUOTA, FakeGraph, Tenant, a_row, site_url, told
from doubles.storage_account import Account, Crash
from shared.app import App
from shared.delivery.publisher import publish
from shared.model.thresholds import Standing, compare, read_thresholds
from shared.storage.rows import Versioned
from shared.storage.sites import SiteRow
from shared.usage.scan import scan

TOLD_IN = "docs/api.md#storage-thresholds"

THRESHOLDS = read_thresholds("75:medium,90:high,100:critical")
FEW = settings(max_examples=100, deadline=None)

usages = st.one_of(st.none(), st.integers(0, 110), st.sampled_from([72, 73, 74, 75, 87, 88, 89, 90, 97, 98, 100]))
tenants = st.dictionaries(st.integers(1, 4), usages, max_size=4)
histories = st.lists(tenants, min_size=1, max_size=6)


def rows_of(usage: dict[int, int | None]) -> list[str]:
    return [a_row(number, percent) for number, percent in usage.items()] + [a_row(9, 1)]


def expected(history: list[dict[int, int | None]]) -> list[tuple[str, str, float]]:
    """What one careful observer of each site would tell."""
    found: list[tuple[str, str, float]] = []
    standings: dict[int, Standing] = {}
    for usage in history:
        for number, percent in usage.items():
            if percent is not None:
                before = standings.get(number, Standing())
                used = round(QUOTA * percent / 100)
                standings[number], crossings = compare(before, used, QUOTA, THRESHOLDS, 2)
                found += [(each.direction, str(number), each.threshold.percent or 0) for each in crossings]
    return sorted(found)


@FEW
@given(histories, st.randoms(use_true_random=False))
def test_what_is_published_is_what_was_crossed_whatever_the_order_of_rows(
    history: list[dict[int, int | None]], shuffle: random.Random
) -> None:
    tenant = Tenant()
    for usage in history:
        rows = rows_of(usage)
        shuffle.shuffle(rows)
        tenant.scan(*rows)
    assert told(tenant.events()) == expected(history)
    assert tenant.queued() == {event.key for event in tenant.events()}


@FEW
@given(histories)
def test_a_scan_of_unchanged_data_publishes_and_writes_nothing(history: list[dict[int, int | None]]) -> None:
    tenant = Tenant()
    for usage in history:
        tenant.scan(*rows_of(usage))
    tenant.account.writes.clear()
    assert tenant.scan(*rows_of(history[-1])) == []
    assert set(tenant.account.writes) == {("sites", "state")}, "the one row that says when it was"


@FEW
@given(st.lists(st.integers(0, 120), min_size=1, max_size=30), st.integers(0, 20))
def test_each_threshold_is_told_passed_and_recovered_in_turn(usage: list[int], hysteresis: int) -> None:
    standing, told_before = Standing(), dict.fromkeys((each.name for each in THRESHOLDS), "recovered")
    for percent in usage:
        used = round(QUOTA * percent / 100)
        standing, crossings = compare(standing, used, QUOTA, THRESHOLDS, hysteresis)
        assert set(standing.announced) <= set(standing.passed)
        assert sum(crossing.direction == "exceeded" for crossing in crossings) <= 1
        for crossing in crossings:
            name, limit = crossing.threshold.name, crossing.threshold.percent or 0
            assert told_before[name] != crossing.direction
            told_before[name] = crossing.direction
            assert percent >= limit if crossing.direction == "exceeded" else percent < limit
        assert compare(standing, used, QUOTA, THRESHOLDS, hysteresis) == (standing, []), "looked at twice"
        assert set(standing.passed) >= {each.name for each in THRESHOLDS if percent >= (each.percent or 0)}


def started(history: list[dict[int, int | None]]) -> Tenant:
    """A tenant that was scanned in peace until now."""
    tenant = Tenant()
    for usage in history:
        tenant.scan(*rows_of(usage))
    return tenant


def copy_of(tenant: Tenant) -> Tenant:
    return Tenant(account=Account(deepcopy(tenant.account.tables), deepcopy(tenant.account.queues)))


def steps_of(tenant: Tenant, rows: list[str]) -> int:
    """How many steps the scan takes."""
    copy = copy_of(tenant)
    return steps_in(copy.account, lambda: scan(copy.app, FakeGraph(rows)))


BEFORE: list[dict[int, int | None]] = [{1: 80, 2: 91, 3: 95, 4: 10}]
AFTER: dict[int, int | None] = {1: 92, 2: 60, 4: 100}


@pytest.mark.parametrize("rows_before", [[], BEFORE], ids=["first-scan", "later-scan"])
def test_a_scan_killed_at_any_step_and_run_again_publishes_the_same_events_once(
    rows_before: list[dict[int, int | None]],
) -> None:
    before, rows = started(rows_before), rows_of(AFTER)
    total = steps_of(before, rows)
    assert total > 20
    for number in range(total):
        tenant = copy_of(before)
        tenant.account.step = counted(number, kill)
        with pytest.raises(Crash):
            scan(tenant.app, FakeGraph(rows))
        tenant.account.step = lambda: None
        tenant.scan(*rows)
        assert told(tenant.events()) == expected([*rows_before, AFTER]), f"killed at step {number}"
        assert tenant.queued() == {event.key for event in tenant.events()}, f"killed at step {number}"


@pytest.mark.parametrize("rows_before", [[], BEFORE], ids=["first-scan", "later-scan"])
def test_a_whole_scan_at_any_step_of_another_publishes_each_crossing_once(
    rows_before: list[dict[int, int | None]],
) -> None:
    before, rows = started(rows_before), rows_of(AFTER)
    for number in range(steps_of(before, rows)):
        tenant = copy_of(before)
        other = tenant.instance()
        tenant.account.step = counted(number, lambda app=other: scan(app, FakeGraph(rows)))  # type: ignore[misc]
        scan(tenant.app, FakeGraph(rows))
        assert told(tenant.events()) == expected([*rows_before, AFTER]), f"at step {number}"
        assert tenant.queued() == {event.key for event in tenant.events()}, f"at step {number}"


@FEW
@given(histories, tenants, st.randoms(use_true_random=False), st.floats(0, 0.1))
@example([{1: 91}], {1: 60}, random.Random(1), 0.0)
def test_scans_that_take_turns_at_every_step_and_die_publish_each_crossing_once(
    history: list[dict[int, int | None]], usage: dict[int, int | None], chance: random.Random, odds: float
) -> None:
    tenant, rows, main = started(history), rows_of(usage), getcurrent()

    def step() -> None:
        if getcurrent() is not main:
            main.switch()
            if chance.random() < odds:
                raise Crash

    def run() -> None:
        try:
            scan(tenant.instance(), FakeGraph(rows))
        except Crash:
            return

    tenant.account.step = step
    running = [greenlet(run) for _ in range(3)]
    while running := [each for each in running if not each.dead]:
        chance.choice(running).switch()
    tenant.scan(*rows)
    assert told(tenant.events()) == expected([*history, usage])
    assert tenant.queued() == {event.key for event in tenant.events()}
    assert all(not site.value.pending for site in tenant.app.sites.all().values())


def test_the_laws_would_see_a_row_marked_before_its_event_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The laws are tried, too."""

    def mark_first(app: App, named: str, stored: Versioned[SiteRow]) -> None:
        app.sites.replace(named, stored.value.model_copy(update={"pending": ()}), stored.etag)
        publish(app, stored.value.pending)

    monkeypatch.setattr("shared.usage.crossings.publish_pending", mark_first)
    lost, rows = 0, rows_of(AFTER)
    for number in range(steps_of(Tenant(), rows)):
        tenant = Tenant()
        tenant.account.step = counted(number, kill)
        with pytest.raises(Crash):
            scan(tenant.app, FakeGraph(rows))
        tenant.account.step = lambda: None
        tenant.scan(*rows)
        lost += told(tenant.events()) != expected([AFTER])
    assert lost


def test_sites_keep_their_urls_apart() -> None:
    tenant = Tenant()
    events = tenant.scan(a_row(1, 80), a_row(2, 95))
    assert told(events) == [("exceeded", "1", 75), ("exceeded", "2", 90)]
    assert site_url(1) in events[0].content
