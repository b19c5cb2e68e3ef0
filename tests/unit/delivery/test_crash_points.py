"""Every crash point, in thousands of random schedules (docs/architecture.md, "A crash starts no second chain of
attempts").

A small world stands for the host, its two queues, the tables and the receivers. Every call to storage or to a receiver
is a point at which the scheduler may let another invocation run, end this one as a crash would, have storage fail
before or after the effect, apply a queue put twice (an SDK retry after a lost answer), or let so much time pass that a
lease runs out and a copy of the message runs beside it. The app's own code is what runs: `publish`, `dispatch` and
`exhausted`, each invocation in a greenlet.
"""

import random
from collections import Counter

import pytest

from doubles.simulated_host import SETTINGS, Host
from doubles.simulated_storage import URLS, Odds, World
from doubles.virtual_host import DIGEST, TOGETHER
from shared.formats import FORMATS
from shared.model import DeliveryId, Event, digest, endpoint_id
from shared.storage.alerts import Malformed

pytestmark = pytest.mark.simulation


def _event(number: int) -> Event:
    return Event(
        type="custom.test", content="{}", time_stamp="2026-11-22T10:00:00Z", key=f"key-{number}", severity="low"
    )


def _simulate(seed: int, odds: Odds, events: int = 2, format: str = "point") -> tuple[World, Host]:
    world = World(random.Random(seed), odds, format=format)
    host = Host(world)
    host.run([_event(number) for number in range(events)])
    return world, host


def _check_nothing_lost(world: World, host: Host) -> None:
    """The ledger: everything accepted is delivered or in the alert log, and its row agrees."""
    rows, alerts = world.rows(), world.alerts()
    assert not [line for line in alerts if isinstance(line, Malformed)]
    told = {line[0] for line in alerts if not isinstance(line, Malformed)}
    for event in host.accepted:
        for url in URLS:
            delivery_id = DeliveryId(world.event(event.key).accepted_ms, digest(event.key), endpoint_id(url))
            row = rows[delivery_id]
            if row.status == "delivered":
                assert world.successes[f"{event.key} {url}"] >= 1
            else:
                assert row.status == "failed"
                assert delivery_id in told
                assert row.reason


def _check_one_chain(world: World) -> None:
    """Each attempt number is recorded once (a late success may stand beside the failure it overrides), none beyond the
    schedule, and POSTs are as many as the attempts plus at most one for each fault, or where they go together one for
    each in a batch: a copy may repeat its attempt, but copies in flight at once in one instance are one POST
    (shared/storage/delivery_queue.py)."""
    most, rows = len(SETTINGS.retry_delays) + 1, world.rows().values()
    for row in rows:
        failures = Counter(each.number for each in row.attempts if each.status != 200)
        assert all(count == 1 for count in failures.values())
        assert all(each.number <= most for each in row.attempts)
    attempts = sum(row.last_number for row in rows)
    assert sum(world.posts.values()) <= attempts + world.put_off + world.faults * world.most_together


@pytest.fixture(autouse=True)
def _formats_that_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "together", TOGETHER)
    monkeypatch.setitem(FORMATS, "digest", DIGEST)


@pytest.mark.parametrize(
    "odds",
    [
        pytest.param(Odds(crash=0.05), id="crashes"),
        pytest.param(Odds(storage_fails=0.1), id="storage-fails"),
        pytest.param(Odds(put_twice=0.1), id="puts-twice"),
        pytest.param(Odds(lease_runs_out=0.02), id="leases-run-out"),
        pytest.param(Odds(crash=0.03, storage_fails=0.03, put_twice=0.03, lease_runs_out=0.01), id="everything"),
        pytest.param(Odds(crash=0.03, lease_runs_out=0.02, held=0.3), id="held-by-the-breaker"),
        pytest.param(Odds(crash=0.15, storage_fails=0.15, receiver_fails=0.8), id="a-bad-day"),
    ],
)
def test_whatever_breaks_nothing_accepted_is_lost_and_no_second_chain_starts(odds: Odds) -> None:
    for seed in range(100 if odds.receiver_fails > 0.5 else 400):  # the longest schedules by far
        world, host = _simulate(seed, odds)
        try:
            assert len(host.accepted) == 2
            _check_nothing_lost(world, host)
            _check_one_chain(world)
        except (AssertionError, KeyError) as error:
            raise AssertionError(f"seed {seed} with {odds}") from error


def test_without_faults_every_attempt_is_posted_exactly_once() -> None:
    for seed in range(300):
        world, host = _simulate(seed, Odds())
        _check_nothing_lost(world, host)
        made = sum(len(row.attempts) for row in world.rows().values())
        assert sum(world.posts.values()) == made + world.put_off


@pytest.mark.parametrize(
    "odds",
    [
        pytest.param(Odds(crash=0.03), id="crashes"),
        pytest.param(Odds(storage_fails=0.05), id="storage-fails"),
        pytest.param(Odds(crash=0.02, storage_fails=0.02, put_twice=0.02, lease_runs_out=0.01), id="everything"),
    ],
)
@pytest.mark.parametrize("format", ["together", "digest"])
def test_whatever_breaks_the_same_holds_of_batches(odds: Odds, format: str) -> None:
    batches = 0
    for seed in range(40):
        world, host = _simulate(seed, odds, events=6, format=format)
        try:
            _check_nothing_lost(world, host)
            _check_one_chain(world)
        except (AssertionError, KeyError) as error:
            raise AssertionError(f"seed {seed} with {odds}") from error
        batches += world.most_together > 1
    assert batches > (30 if format == "digest" else 0)


@pytest.mark.parametrize("format", ["together", "digest"])
def test_without_faults_each_in_a_batch_is_posted_exactly_once(format: str) -> None:
    for seed in range(40):
        world, host = _simulate(seed, Odds(), events=6, format=format)
        _check_nothing_lost(world, host)
        made = sum(len(row.attempts) for row in world.rows().values())
        assert sum(world.posts.values()) == made + world.put_off


async def _forget(app: object, message: object, delivery: object, endpoint: object) -> None:
    """What follows a recorded attempt."""


def test_rows_of_one_endpoint_go_together_in_the_simulation() -> None:
    together = 0
    for seed in range(20):
        world, host = _simulate(seed, Odds(), events=6)
        _check_nothing_lost(world, host)
        together += world.account.transactions
    assert together


def test_the_simulation_sees_what_follows_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is judged: without the rule for what follows a recorded attempt, deliveries are seen lost."""
    monkeypatch.setattr("shared.delivery.recorder.follow_up", _forget)
    lost = 0
    for seed in range(20):
        world, host = _simulate(seed, Odds(crash=0.05))
        try:
            _check_nothing_lost(world, host)
        except (AssertionError, KeyError):
            lost += 1
    assert lost
