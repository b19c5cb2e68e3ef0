"""§3: the host is killed ten times while 500 events flow. Nothing accepted is lost, and no crash starts a second chain
of retries."""

import queue
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import requests
from azure.storage.queue import QueueClient

from .api import DELIVERIES, Api, Json, custom, eventually
from .conftest import Issuer, MakeSettings, MakeStorage, Storage
from .hosting import QUEUES, Host, Record
from .receiving import Answer, Hook, Receivers

pytestmark = pytest.mark.alone

KILLS = 10
EVENTS = 500
BATCH = 10
LEASE = 3
QUICKLY = {f"{QUEUES}maxPollingInterval": "00:00:00.5", f"{QUEUES}visibilityTimeout": "00:00:01"}
ATTEMPTS = 4
MOST_COPIES = 4
"""Of one message at a time: each kill that a delivery lives through can leave one more, and it lives for seconds."""
MOST_REPEATS = KILLS * 32
"""What ten kills can catch between a POST and its record: each at most batchSize + newBatchThreshold."""


@dataclass
class Run:
    """What happened, for the tests to judge."""

    hook: Hook
    accepted: list[str] = field(default_factory=list)
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


class Publisher:
    """Publishes small batches until EVENTS are accepted, through whichever host is up. A call that dies with its host
    is not accepted, and its events are not published again: a repeat would wait for two minutes (§3)."""

    def __init__(self, issuer: Issuer) -> None:
        self.accepted: list[str] = []
        self._issuer = issuer
        self._urls: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._publish, name="publisher")
        self._thread.start()

    def use(self, url: str) -> None:
        self._urls.put(url)

    def finish(self) -> list[str]:
        self._thread.join(60)
        assert len(self.accepted) >= EVENTS
        return self.accepted

    def _publish(self) -> None:
        while len(self.accepted) < EVENTS:
            with closing(Api(self._urls.get(timeout=60), self._issuer.key)) as api:
                self._publish_through(api)

    def _publish_through(self, api: Api) -> None:
        while len(self.accepted) < EVENTS:
            events = [custom("custom.flow", text="x" * 200) for _ in range(BATCH)]
            try:
                self.accepted += [each["idempotencyKey"] for each in api.publish(events)]
            except requests.RequestException:
                return


def mood(key: str, known: int) -> Answer:
    """Nine in ten keys are taken at once; some at the third request, and some never."""
    kind = int(key[:8], 16) % 30
    return Answer(500 if kind == 0 or (kind in (1, 2) and known < 2) else 200)


@pytest.fixture(scope="module")
def run(make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers) -> Iterator[Run]:
    storage = make_storage()
    settings = make_settings(
        storage, RETRY_DELAYS="1,1,1", BREAKER_PROBE_SECONDS="1", BREAKER_GRACE_SECONDS="600", **QUICKLY
    )
    run = Run(receivers.serve().hook())
    run.hook.answer_by(mood)
    chance = random.Random(7)
    with ExitStack() as stack:
        host = Host(settings, LEASE)
        stack.callback(lambda: host.kill())
        with closing(Api(host.url, issuer.key)) as api:
            api.register(run.hook.url, "custom.flow")
        publisher = Publisher(issuer)
        for _ in range(KILLS):
            publisher.use(host.url)
            run.hook.wait(len(run.hook.received) + chance.randint(5, 60), within=20)
            host.kill()
            run.lives.append(host.records)
            host = Host(settings, LEASE)
            assert host.url
        publisher.use(host.url)
        run.accepted = publisher.finish()
        _wait_until_drained(storage)
        with closing(Api(host.url, issuer.key)) as api:
            _look(run, api)
        assert host.stop() == 0
        run.lives.append(host.records)
        yield run


def _wait_until_drained(storage: Storage) -> None:
    for name in ("deliveries", "deliveries-poison"):
        with QueueClient.from_connection_string(storage.connection, name) as messages:
            eventually(messages.get_queue_properties, lambda it: it.approximate_message_count == 0, within=40)


def _look(run: Run, api: Api) -> None:
    run.alerts = api.alerts()
    endpoint = api.call("GET", "/v1.0/webhooks/endpoints").json[0]
    found = [each for page in api.pages(f"endpoint={endpoint['id']}") for each in page]
    run.deliveries = {each["idempotencyKey"]: each for each in found}
    assert len(run.deliveries) == len(found), "a key has one delivery"
    assert api.call("GET", f"{DELIVERIES}/{found[0]['id']}").json == found[0]


def test_every_accepted_event_is_delivered_or_in_the_alert_log(run: Run) -> None:
    alerted = {line["id"] for line in run.alerts}
    arrived = {each.key for each in run.hook.received}
    assert len(set(run.accepted)) >= EVENTS
    for key in run.accepted:
        delivery = run.deliveries[key]
        assert key in arrived
        assert delivery["status"] == ("failed" if delivery["id"] in alerted else "delivered")
    never = {key for key in run.accepted if int(key[:8], 16) % 30 == 0}
    assert never
    assert {key for key in run.accepted if run.deliveries[key]["status"] == "failed"} == never


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
    """A kill may repeat the attempt that it interrupts, in a later host. Two chains would make every further attempt
    twice, in one and the same host."""
    logged = Counter(run.attempts_logged())
    twice = Counter(delivery for (_, delivery, _), count in logged.items() if count > 1)
    print(f"\nattempts made twice within one host: {sum(twice.values())}")
    assert all(count == 1 for count in twice.values()), twice
    assert all(count <= MOST_COPIES for count in logged.values())
    latest: Counter[str] = Counter()
    for _, delivery, number in run.attempts_logged():
        assert latest[delivery] <= number <= latest[delivery] + 1
        latest[delivery] = number


def test_repeats_are_few(run: Run) -> None:
    posts = Counter(each.key for each in run.hook.received)
    repeats = {key: posts[key] - len(delivery["attempts"]) for key, delivery in run.deliveries.items()}
    print(f"\n{len(run.hook.received)} POSTs of {len(run.deliveries)} deliveries; repeated: {sum(repeats.values())}")
    assert min(repeats.values()) >= 0, "what is on record was sent"
    assert sum(repeats.values()) <= MOST_REPEATS
    assert max(repeats.values()) <= KILLS
