"""Every crash point of the design's §3, in thousands of random schedules.

A small world stands for the host, its two queues, the tables and the receivers. Every call to storage or to a receiver
is a point at which the scheduler may let another invocation run, end this one as a crash would, have storage fail
before or after the effect, apply a queue put twice (an SDK retry after a lost answer), or let so much time pass that a
lease runs out and a copy of the message runs beside it. The app's own code is what runs: `publish`, `dispatch` and
`exhausted`, each invocation in a greenlet.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet
from greenlet import getcurrent, greenlet

from shared.app import App
from shared.delivery import publish as publishing
from shared.delivery.dispatch import dispatch
from shared.delivery.exhausted import exhausted
from shared.delivery.outbound import Answer, NoAnswer
from shared.delivery.publish import Accepted, publish
from shared.model import Delivery, DeliveryId, Endpoint, Event, Health, digest, endpoint_id
from shared.settings import read_settings
from shared.storage.clients import StorageUnavailable, Written
from shared.storage.events import EventRow

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
LEASE = timedelta(minutes=10)
BACK_AFTER_FAILURE = timedelta(seconds=60)
MOST_DEQUEUES = 10
MOST_EXPIRIES = 8  # in one schedule: with no bound, leases could run out faster than work is done
URLS = ("https://one.example/hook", "https://two.example/hook")
SETTINGS = read_settings(
    {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
)


class Crash(BaseException):
    """The process ends here: no handler may see it."""


@dataclass(frozen=True)
class Odds:
    """How likely each fault is at each point."""

    crash: float = 0.0
    storage_fails: float = 0.0
    put_twice: float = 0.0
    lease_runs_out: float = 0.0
    receiver_fails: float = 0.4


@dataclass
class Queued:
    text: str
    visible_at: datetime
    dequeues: int = 0


@dataclass
class World:
    random: random.Random
    odds: Odds
    now: datetime = START
    queue: list[Queued] = field(default_factory=list)
    poison: list[Queued] = field(default_factory=list)
    rows: dict[DeliveryId, tuple[Delivery, str]] = field(default_factory=dict)
    alerts: dict[DeliveryId, Delivery] = field(default_factory=dict)
    malformed: list[bytes] = field(default_factory=list)
    events: dict[str, EventRow] = field(default_factory=dict)
    posts: Counter[tuple[str, str]] = field(default_factory=Counter)
    successes: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    versions: int = 0
    main: greenlet = field(default_factory=getcurrent)

    def chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def point(self) -> None:
        """Lets others run; then this invocation may end."""
        self.main.switch()
        if self.chance(self.odds.crash):
            self.faults += 1
            raise Crash

    def call(self, effect: Callable[[], Any]) -> Any:
        """One call to storage."""
        self.point()
        if self.chance(self.odds.storage_fails):
            self.faults += 1
            if self.chance(0.5):
                effect()
            raise StorageUnavailable("simulated")
        result = effect()
        self.point()
        return result

    def version(self) -> str:
        self.versions += 1
        return str(self.versions)


class FakeQueue:
    def __init__(self, world: World, messages: list[Queued]) -> None:
        self.world, self.messages = world, messages

    def put(self, text: str, delay: timedelta = timedelta()) -> None:
        self.world.call(lambda: self._put(text, delay))

    def _put(self, text: str, delay: timedelta) -> None:
        self.messages.append(Queued(text, self.world.now + delay))
        if self.world.chance(self.world.odds.put_twice):
            self.world.faults += 1
            self.messages.append(Queued(text, self.world.now + delay))


class FakeDeliveries:
    def __init__(self, world: World) -> None:
        self.world = world

    def get(self, delivery_id: DeliveryId) -> tuple[Delivery, str] | None:
        return cast("tuple[Delivery, str] | None", self.world.call(lambda: self.world.rows.get(delivery_id)))

    def insert(self, delivery_id: DeliveryId, delivery: Delivery) -> Written:
        return cast(Written, self.world.call(lambda: self._write(delivery_id, delivery, None)))

    def replace(self, delivery_id: DeliveryId, delivery: Delivery, etag: str) -> Written:
        return cast(Written, self.world.call(lambda: self._write(delivery_id, delivery, etag)))

    def note_alert(self, delivery_id: DeliveryId, delivery: Delivery) -> Written:
        self.world.call(lambda: self.world.alerts.__setitem__(delivery_id, delivery))
        return Written.DONE

    def note_malformed(self, at: datetime, name: str, body: bytes, reason: str) -> str:
        self.world.call(lambda: self.world.malformed.append(body))
        return name

    def _write(self, delivery_id: DeliveryId, delivery: Delivery, etag: str | None) -> Written:
        known = self.world.rows.get(delivery_id)
        if (known[1] if known else None) != etag:
            return Written.CONFLICT
        self.world.rows[delivery_id] = (delivery, self.world.version())
        return Written.DONE


class FakeEvents:
    def __init__(self, world: World) -> None:
        self.world = world

    def insert(self, row: EventRow) -> EventRow:
        return cast(EventRow, self.world.call(lambda: self.world.events.setdefault(row.event.key, row)))

    def get(self, accepted_ms: int, key: str) -> EventRow | None:
        rows = {digest(row.event.key): row for row in self.world.events.values()}
        return cast("EventRow | None", self.world.call(lambda: rows.get(key)))


class FakeEndpoints:
    def __init__(self) -> None:
        self.known = {endpoint.id: endpoint for endpoint in map(_endpoint, URLS)}

    def all(self) -> list[Endpoint]:
        return list(self.known.values())

    def get(self, identity: str) -> Endpoint | None:
        return self.known.get(identity)

    def note_failing(self, endpoint: Endpoint, since: datetime, error: str) -> None:
        pass


class FakeOptions:
    def signature_key(self) -> str:
        return "158b08cc-6a06-49f2-a724-2bc514fdcf1e"


def _endpoint(url: str) -> Endpoint:
    return Endpoint(
        id=endpoint_id(url),
        url=url,
        secret="whsec_" + "A" * 32,
        generation=1,
        types=("*",),
        created_at=START,
        updated_at=START,
        health=Health(generation=1),
    )


def _app(world: World) -> App:
    def post(url: str, headers: Any, body: bytes) -> Answer | NoAnswer:
        world.point()
        key = headers["webhook-id"]
        world.posts[key, url] += 1
        failed = world.chance(world.odds.receiver_fails)
        if not failed:
            world.successes[f"{key} {url}"] += 1
        world.point()
        return NoAnswer("refused") if failed else Answer(200, None, None)

    parts: dict[str, Any] = {
        "endpoints": FakeEndpoints(),
        "events": FakeEvents(world),
        "deliveries": FakeDeliveries(world),
        "options": FakeOptions(),
        "queue": FakeQueue(world, world.queue),
        "poison": FakeQueue(world, world.poison),
        "outbound": None,
    }
    return App(settings=SETTINGS, post=post, now=lambda: world.now, **parts)


class Host:
    """Receives, leases, runs, deletes, and moves what fails too often, as `reference/functions-host.md` says."""

    def __init__(self, world: World) -> None:
        self.world, self.app = world, _app(world)
        self.running: list[greenlet] = []
        self.accepted: list[Event] = []
        self.expired = 0

    def run(self, events: list[Event]) -> None:
        for event in events:
            self._start(lambda event=event: self._publish(event))  # type: ignore[misc]
        for _ in range(20_000):
            if self.running:
                self._advance_one()
            elif not self._receive():
                waiting = [message.visible_at for message in (*self.world.queue, *self.world.poison)]
                if not waiting:
                    return
                self.world.now = max(self.world.now, min(waiting))
        raise AssertionError("the world never came to rest: something loops")

    def _advance_one(self) -> None:
        if self.world.chance(0.3):
            self._receive()
        if self.expired < MOST_EXPIRIES and self.world.chance(self.world.odds.lease_runs_out):
            self.expired += 1
            self.world.faults += len(self.running)
            self.world.now += LEASE + timedelta(seconds=1)
        chosen = self.world.random.choice(self.running)
        chosen.switch()
        if chosen.dead:
            self.running.remove(chosen)

    def _start(self, body: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                body()
            except Crash:
                return

        self.running.append(greenlet(guarded))

    def _publish(self, event: Event) -> None:
        """A caller that tries again until it is told that the event was accepted."""
        while True:
            try:
                result = publish(self.app, [event])
                assert isinstance(result, list)
                assert isinstance(result[0], Accepted)
                self.accepted.append(event)
                return
            except (StorageUnavailable, Crash):
                self.world.main.switch()

    def _receive(self) -> bool:
        for messages, function in ((self.world.queue, self._dispatch), (self.world.poison, self._exhausted)):
            visible = [message for message in messages if message.visible_at <= self.world.now]
            if visible:
                message = self.world.random.choice(visible)
                message.dequeues += 1
                message.visible_at = self.world.now + LEASE
                self._start(lambda m=message, f=function: f(m))  # type: ignore[misc]
                return True
        return False

    def _dispatch(self, message: Queued) -> None:
        leased_until = message.visible_at
        try:
            if message.dequeues > MOST_DEQUEUES:
                raise StorageUnavailable("dequeued too often")
            dispatch(self.app, message.text.encode(), message.dequeues)
        except StorageUnavailable:
            if message.dequeues >= MOST_DEQUEUES:
                self.world.poison.append(Queued(message.text, self.world.now))
                self.world.point()
                self._delete(self.world.queue, message, leased_until)
            elif message.visible_at == leased_until:
                message.visible_at = self.world.now + BACK_AFTER_FAILURE
            return
        self.world.point()
        self._delete(self.world.queue, message, leased_until)

    def _exhausted(self, message: Queued) -> None:
        leased_until = message.visible_at
        try:
            exhausted(self.app, message.text.encode(), START)
        except StorageUnavailable:
            return  # hidden until its lease ends
        self.world.point()
        self._delete(self.world.poison, message, leased_until)

    def _delete(self, messages: list[Queued], message: Queued, leased_until: datetime) -> None:
        if message.visible_at == leased_until and message in messages:  # else its receipt is no longer good
            messages.remove(message)


def _event(number: int) -> Event:
    return Event(
        type="custom.test", content="{}", time_stamp="2026-11-22T10:00:00Z", key=f"key-{number}", severity="low"
    )


def _simulate(seed: int, odds: Odds, events: int = 2) -> tuple[World, Host]:
    world = World(random.Random(seed), odds)
    host = Host(world)
    host.run([_event(number) for number in range(events)])
    return world, host


def _check_nothing_lost(world: World, host: Host) -> None:
    """The ledger: everything accepted is delivered or in the alert log, and its row agrees."""
    assert not world.malformed
    for event in host.accepted:
        for url in URLS:
            delivery_id = DeliveryId(world.events[event.key].accepted_ms, digest(event.key), endpoint_id(url))
            row = world.rows[delivery_id][0]
            if row.status == "delivered":
                assert world.successes[f"{event.key} {url}"] >= 1
            else:
                assert row.status == "failed"
                assert delivery_id in world.alerts
                assert row.reason


def _check_one_chain(world: World) -> None:
    """Each attempt number is recorded once (a late success may stand beside the failure it overrides), none beyond the
    schedule, and POSTs are as many as the attempts plus at most one for each fault."""
    most = len(SETTINGS.retry_delays) + 1
    for row, _ in world.rows.values():
        failures = Counter(each.number for each in row.attempts if each.status is None)
        assert all(count == 1 for count in failures.values())
        assert all(each.number <= most for each in row.attempts)
    attempts = sum(row.last_number for row, _ in world.rows.values())
    assert sum(world.posts.values()) <= attempts + world.faults


@pytest.fixture(autouse=True)
def _publish_in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    class InThisThread:
        map = staticmethod(map)

    monkeypatch.setattr(publishing, "_PUTS", InThisThread)


@pytest.mark.parametrize(
    "odds",
    [
        pytest.param(Odds(crash=0.05), id="crashes"),
        pytest.param(Odds(storage_fails=0.1), id="storage-fails"),
        pytest.param(Odds(put_twice=0.1), id="puts-twice"),
        pytest.param(Odds(lease_runs_out=0.02), id="leases-run-out"),
        pytest.param(Odds(crash=0.03, storage_fails=0.03, put_twice=0.03, lease_runs_out=0.01), id="everything"),
        pytest.param(Odds(crash=0.15, storage_fails=0.15, receiver_fails=0.8), id="a-bad-day"),
    ],
)
def test_whatever_breaks_nothing_accepted_is_lost_and_no_second_chain_starts(odds: Odds) -> None:
    for seed in range(800):
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
        assert sum(world.posts.values()) == sum(len(row.attempts) for row, _ in world.rows.values())


def test_the_simulation_sees_a_dispatcher_that_forgets_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is judged: without the rule for what follows a recorded attempt, the simulation sees deliveries lost."""
    monkeypatch.setattr("shared.delivery.dispatch.follow_up", lambda app, message, delivery: None)
    lost = 0
    for seed in range(20):
        world, host = _simulate(seed, Odds(crash=0.05))
        try:
            _check_nothing_lost(world, host)
        except (AssertionError, KeyError):
            lost += 1
    assert lost
