"""Deliveries in order, whatever breaks: the crash points of `test_crash_points.py` with ordered endpoints, publishers
that wait until an event is accepted before they publish the next, and two instances."""

import random

import pytest

from doubles.simulated_host import Host
from doubles.simulated_storage import URLS, Odds, World
from doubles.virtual_host import DIGEST, TOGETHER
from shared.formats import FORMATS
from shared.model import DeliveryId, Event, digest, endpoint_id
from shared.storage.alerts import Malformed

pytestmark = pytest.mark.simulation

SUBJECTS, EACH = 2, 3


def _event(subject: int, number: int) -> Event:
    return Event(
        type="custom.test",
        content=f'{{"siteUrl":"https://contoso.example/sites/{subject}"}}',
        time_stamp="2026-11-22T10:00:00Z",
        key=f"key-{subject}-{number}",
        severity="low",
    )


class Order:
    """Looks at every POST when it begins: what was accepted before its event was published must have ended."""

    def __init__(self, world: World, host: Host) -> None:
        self._world, self._host = world, host
        self.publishers = [[_event(subject, number) for number in range(EACH)] for subject in range(SUBJECTS)]
        self.broken: list[str] = []
        world.posting = self._look

    def _look(self, key: str, url: str) -> None:
        events = next(each for each in self.publishers if key in {event.key for event in each})
        rows = self._world.rows()
        for earlier in events:
            if earlier.key == key:
                return
            row = rows.get(self.id_of(earlier, url)) if earlier in self._host.accepted else None
            if earlier in self._host.accepted and (row is None or row.status == "pending"):
                self.broken.append(f"{key} before {earlier.key} at {url}")

    def id_of(self, event: Event, url: str) -> DeliveryId:
        return DeliveryId(self._world.event(event.key).accepted_ms, digest(event.key), endpoint_id(url))

    def check(self) -> None:
        """All that was accepted has ended, in order, and nothing waits."""
        assert not self.broken
        assert not self._world.account.tables.get("sequences")
        rows, alerts = self._world.rows(), self._world.alerts()
        told = {line[0] for line in alerts if not isinstance(line, Malformed)}
        for event in self._host.accepted:
            for url in URLS:
                row = rows[self.id_of(event, url)]
                assert row.status in ("delivered", "failed")
                assert row.status == "delivered" or self.id_of(event, url) in told
        assert not [row for row in rows.values() if row.status == "pending"]


def _simulate(seed: int, odds: Odds, gives_up: float = 0.0, format: str = "point") -> tuple[World, Host]:
    world = World(random.Random(seed), odds, ordered=True, format=format)
    host = Host(world, instances=2)
    order = Order(world, host)
    host.run_publishers(order.publishers, gives_up)
    order.check()
    return world, host


@pytest.mark.parametrize(
    "odds",
    [
        pytest.param(Odds(crash=0.03), id="crashes"),
        pytest.param(Odds(storage_fails=0.05), id="storage-fails"),
        pytest.param(Odds(put_twice=0.1), id="puts-twice"),
        pytest.param(Odds(answer_lost=0.05), id="answers-lost"),
        pytest.param(Odds(lease_runs_out=0.01), id="leases-run-out"),
        pytest.param(Odds(crash=0.02, storage_fails=0.02, put_twice=0.02, lease_runs_out=0.005), id="everything"),
        pytest.param(Odds(crash=0.02, lease_runs_out=0.01, held=0.3), id="held-by-the-breaker"),
        pytest.param(Odds(crash=0.02, storage_fails=0.02, held=0.3, held_seconds=1000), id="held-for-long"),
    ],
)
@pytest.mark.parametrize(("gives_up", "run_seconds"), [(0.0, 20.0), (0.5, 20.0), (0.2, 0.0)])
def test_whatever_breaks_the_order_is_kept_and_nobody_waits_for_ever(
    odds: Odds, gives_up: float, run_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With and without invocations that go on with the next delivery themselves."""
    monkeypatch.setattr("shared.delivery.succession.LONGEST_RUN_SECONDS", run_seconds)
    for seed in range(30):
        try:
            _, host = _simulate(seed, odds, gives_up)
            assert gives_up or len(host.accepted) == SUBJECTS * EACH
        except (AssertionError, KeyError) as error:
            raise AssertionError(f"seed {seed} with {odds}") from error


@pytest.mark.parametrize("format", ["together", "digest"])
def test_batches_keep_the_order_whatever_breaks(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body has the events of several subjects, and never two of one."""
    monkeypatch.setitem(FORMATS, "together", TOGETHER)
    monkeypatch.setitem(FORMATS, "digest", DIGEST)
    odds, most = Odds(crash=0.02, storage_fails=0.02, put_twice=0.02, lease_runs_out=0.005), 1
    for seed in range(20):
        try:
            world, host = _simulate(seed, odds, format=format)
            assert len(host.accepted) == SUBJECTS * EACH
            assert world.most_together <= SUBJECTS
        except (AssertionError, KeyError) as error:
            raise AssertionError(f"seed {seed} with {odds}") from error
        most = max(most, world.most_together)
    if format == "digest":  # which waits for those that are due
        assert most == SUBJECTS


@pytest.mark.parametrize("run_seconds", [20.0, 0.0])
def test_without_faults_every_attempt_is_posted_once_though_there_are_two_instances(
    run_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.delivery.succession.LONGEST_RUN_SECONDS", run_seconds)
    for seed in range(40):
        world, _ = _simulate(seed, Odds())
        made = sum(len(row.attempts) for row in world.rows().values())
        assert sum(world.posts.values()) == made + world.put_off


def test_without_faults_none_that_is_held_is_taken_for_lost(caplog: pytest.LogCaptureFixture) -> None:
    """Whose message is put back for long, once or again and again, while the timer comes."""
    for seed in range(40):
        world, _ = _simulate(seed, Odds(held=0.5, held_seconds=300 + 50 * seed))
        made = sum(len(row.attempts) for row in world.rows().values())
        assert sum(world.posts.values()) == made + world.put_off
    assert "sequence.held" in caplog.text
    assert "sequence.resumed" not in caplog.text


def test_whose_answers_are_lost_needs_no_timer(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever writes knows its own write where the SDK repeats it."""
    for seed in range(100):
        _simulate(seed, Odds(answer_lost=0.1))
    assert "sequence.resumed" not in caplog.text


def test_the_simulation_sees_order_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is judged: where everybody's message is put at once, events are seen before earlier ones."""
    monkeypatch.setattr("shared.delivery.publisher.join", lambda *given, **named: True)
    broken = 0
    for seed in range(20):
        try:
            _simulate(seed, Odds())
        except AssertionError:
            broken += 1
    assert broken


def test_the_simulation_sees_who_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the timer, a head whose publisher died and did not come back holds all others."""
    monkeypatch.setattr("doubles.simulated_host.tend", lambda app: None)
    held = 0
    for seed in range(20):
        try:
            _simulate(seed, Odds(crash=0.05), gives_up=1.0)
        except AssertionError:
            held += 1
    assert held
