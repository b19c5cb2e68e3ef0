"""The host is killed again and again while events flow. Nothing accepted is lost, no crash starts a second chain of
retries, and one life of a host makes each attempt once."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from bench.ledger import Balance
from doubles.hooks import Hook, Receivers
from e2e.api import DELIVERIES, Api, Json
from e2e.conftest import Issuer, MakeSettings, MakeStorage
from e2e.hosting import Host, Record

from .flow import ATTEMPTS, QUICKLY, Flow, draw_up, flowing, never, take_note, wait_until_drained

pytestmark = pytest.mark.alone

LEASE = 3
IN_FLIGHT = 32
"""batchSize + newBatchThreshold: what one kill can catch between a POST and its record."""


@dataclass
class Run:
    """What happened, for the tests to judge."""

    hook: Hook
    flow: Flow
    kills: int
    ledger: Balance
    lives: list[list[Record]] = field(default_factory=list)
    """The app's log lines in each host; the last one was not killed."""
    deliveries: dict[str, Json] = field(default_factory=dict)
    """By key."""
    alerts: list[Json] = field(default_factory=list)

    def attempts_logged(self) -> list[tuple[int, str, int]]:
        """Life, delivery and number of each attempt, in order."""
        return [
            (life, record["deliveryId"], record["attempt"])
            for life, records in enumerate(self.lives)
            for record in records
            if record["event"] == "delivery.attempted"
        ]


@pytest.fixture(scope="module")
def run(
    make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers, full: bool
) -> Iterator[Run]:
    storage = make_storage()
    settings = make_settings(storage, **QUICKLY)
    kills, events = (30, 1500) if full else (3, 150)
    hook = receivers.serve().hook()
    taken = take_note(hook)
    chance, lives = random.Random(7), []
    with ExitStack() as stack:
        host = Host(settings, LEASE)
        stack.callback(lambda: host.kill())
        with closing(Api(host.url, issuer.key)) as api:
            api.register(hook.url, "custom.flow")
        flow = stack.enter_context(flowing(issuer.key, "custom.flow", pause=0.02))
        for _ in range(kills):
            flow.use(host.url)
            hook.wait(len(hook.received) + chance.randint(5, 60), within=20)
            host.kill()
            lives.append(host.records)
            host = Host(settings, LEASE)
            assert host.url
        flow.use(host.url)
        flow.wait(events)
        flow.stop()
        wait_until_drained(storage.connection)
        with closing(Api(host.url, issuer.key)) as api:
            run = Run(hook, flow, kills, draw_up(flow, taken, api), [*lives, host.records])
            _look(run, api)
        assert host.stop() == 0
        yield run


def _look(run: Run, api: Api) -> None:
    run.alerts = api.alerts()
    endpoint = api.call("GET", "/v1.0/webhooks/endpoints").json[0]
    found = [each for page in api.pages(f"endpoint={endpoint['id']}") for each in page]
    run.deliveries = {each["idempotencyKey"]: each for each in found}
    assert len(run.deliveries) == len(found), "a key has one delivery"
    assert api.call("GET", f"{DELIVERIES}/{found[0]['id']}").json == found[0]


def test_every_accepted_event_is_delivered_or_in_the_alert_log(run: Run) -> None:
    assert run.ledger.faults == []
    alerted = {line["id"] for line in run.alerts}
    for key in run.flow.accepted:
        delivery = run.deliveries[key]
        assert delivery["status"] == ("failed" if delivery["id"] in alerted else "delivered")
        assert (delivery["status"] == "failed") == never(key)
    assert alerted


def test_rows_tell_one_chain_of_attempts(run: Run) -> None:
    for delivery in run.deliveries.values():
        numbers = [each["number"] for each in delivery["attempts"]]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) <= ATTEMPTS
        statuses = [each["status"] for each in delivery["attempts"]]
        assert 200 not in statuses[:-1]
        if delivery["status"] == "failed":
            assert statuses == [500] * ATTEMPTS
        starts = [each["startedAt"] for each in delivery["attempts"]]
        assert all(earlier < later for earlier, later in pairwise(starts))


def test_no_crash_starts_a_second_chain(run: Run) -> None:
    """A kill may repeat the attempt that it interrupts, in a later host. Two chains, or copies that multiply, would
    make an attempt twice in one and the same host."""
    twice = {attempt: count for attempt, count in Counter(run.attempts_logged()).items() if count > 1}
    assert twice == {}
    latest: Counter[str] = Counter()
    for _, delivery, number in run.attempts_logged():
        assert latest[delivery] <= number <= latest[delivery] + 1
        latest[delivery] = number


def test_only_what_a_kill_interrupted_is_repeated(run: Run) -> None:
    last = {(delivery, number): life for life, delivery, number in run.attempts_logged()}
    caught = Counter(life for life, delivery, number in run.attempts_logged() if last[delivery, number] > life)
    assert all(count <= IN_FLIGHT for count in caught.values())
    posts = Counter(each.key for each in run.hook.received)
    repeats = {key: posts[key] - len(delivery["attempts"]) for key, delivery in run.deliveries.items()}
    print(f"\n{run.kills} kills; {len(run.hook.received)} POSTs of {len(run.deliveries)} deliveries; ", end="")
    print(f"repeated: {sum(repeats.values())}, of one key at most {max(repeats.values())}")
    assert min(repeats.values()) >= 0, "what is on record was sent"
    assert sum(repeats.values()) <= run.kills * IN_FLIGHT
    assert max(repeats.values()) <= run.kills
