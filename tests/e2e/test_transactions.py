"""The budget of storage transactions for a delivered event, counted in Azurite's access log, host included."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain

import pytest

from doubles.hooks import Receivers

from .api import Api, custom
from .conftest import Issuer, MakeSettings, MakeStorage, Storage
from .hosting import hosting

pytestmark = pytest.mark.alone

BURST = 500
BATCH = 100
MOST_FOR_ONE, NEVER_FOR_ONE = 3.4, 4.3
MOST_FOR_EACH_FURTHER, NEVER_FOR_EACH_FURTHER = 2.4, 3.2
FURTHER = 1
A_RECEIVE = 16
"""Messages that one receive of a burst brings."""
A_DEFERRAL, MOST_READS = 2, 2
"""A put and a delete; and when it comes back, at most a read of the row and one of the event."""
REQUEST = re.compile(
    r'"(?P<method>[A-Z]+) /devstoreaccount1/(?P<resource>[a-z-]*)\d*(?P<messages>/messages)?[^"]*" \d+'
)
POLLS = ("GET deliveries/messages", "GET deliveries-poison/messages")
READS = ("GET deliveries", "GET events")
BY_THE_CLOCK = ("PUT azure-webjobs-hosts", "GET azure-webjobs-hosts", "GET endpoints", "GET options")
"""The host's lock and timers, and what is read again every 4 s: the slower the machine, the more for a burst."""


@dataclass(frozen=True)
class Count:
    """Transactions of publishing and draining one burst, in kinds such as `POST deliveries/messages`; how many
    deliveries it had, and how many messages were deferred, by the log."""

    kinds: Counter[str]
    deliveries: int
    deferred: int

    @property
    def per_event(self) -> float:
        """All but what deferred messages cost: how many there are depends on what else the machine has to do."""
        reads = min(sum(self.kinds[kind] for kind in READS), MOST_READS * self.deferred)
        return (self.kinds.total() - A_DEFERRAL * self.deferred - reads) / BURST

    @property
    def work_per_event(self) -> float:
        """What it is on a quick machine: without the receives that brought fewer messages than they could, or none, and
        without what only time brings."""
        receives = sum(self.kinds[kind] for kind in POLLS)
        waiting = max(0.0, receives - self.deliveries / A_RECEIVE) + sum(self.kinds[kind] for kind in BY_THE_CLOCK)
        return self.per_event - waiting / BURST

    def __str__(self) -> str:
        listed = ", ".join(f"{kind} {count / BURST:.2f}" for kind, count in self.kinds.most_common(12))
        return f"{self.work_per_event:.2f} of {self.per_event:.2f} per event ({listed}; {self.deferred} deferred)"


@pytest.fixture(scope="module")
def measured(
    make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers
) -> tuple[Count, Count]:
    """With one endpoint, and with FURTHER more, under host.json as it is. The end of the host ends the counting."""
    storage, server = make_storage(), receivers.serve()
    hooks = [server.hook() for _ in range(1 + FURTHER)]
    counts = []
    for used in (hooks[:1], hooks):
        with ExitStack() as stack:
            host = stack.enter_context(hosting(make_settings(storage)))
            api = stack.enter_context(closing(Api(host.url, issuer.key)))
            for hook in used:
                api.register(hook.url, "custom.burst")
            warm = api.publish(custom("custom.burst"))["idempotencyKey"]
            for hook in used:
                hook.wait(key=warm)
            before, deferred = _read(storage), len(host.found("delivery.deferred"))
            sent = _publish_burst(api)
            for hook in used:
                known = len(hook.received) - len([each for each in hook.received if each.key in sent])
                arrived = hook.wait(known + BURST, within=60)[known:]
                assert {each.key for each in arrived} == sent
            assert host.stop() == 0
            deferred = len(host.found("delivery.deferred")) - deferred
            counts.append(Count(_read(storage) - before, BURST * len(used), deferred))
    return counts[0], counts[1]


def _publish_burst(api: Api) -> set[str]:
    def publish(_: int) -> list[str]:
        with closing(Api(api.base, api.key)) as caller:
            return [each["idempotencyKey"] for each in caller.publish([custom("custom.burst") for _ in range(BATCH)])]

    with ThreadPoolExecutor(BURST // BATCH) as callers:
        return set(chain.from_iterable(callers.map(publish, range(BURST // BATCH))))


def _read(storage: Storage) -> Counter[str]:
    lines = storage.log.read_text(errors="replace")
    return Counter(
        f"{match['method']} {match['resource']}{match['messages'] or ''}" for match in REQUEST.finditer(lines)
    )


def test_one_endpoint(measured: tuple[Count, Count]) -> None:
    print(f"\none endpoint: {measured[0]}")
    assert measured[0].work_per_event <= MOST_FOR_ONE
    assert measured[0].per_event <= NEVER_FOR_ONE


def test_each_further_endpoint(measured: tuple[Count, Count]) -> None:
    one, more = measured
    work = (more.work_per_event - one.work_per_event) / FURTHER
    print(f"\n{1 + FURTHER} endpoints: {more}\neach further endpoint: {work:.2f}")
    assert work <= MOST_FOR_EACH_FURTHER
    assert (more.per_event - one.per_event) / FURTHER <= NEVER_FOR_EACH_FURTHER
    assert work >= 1.5, "a put and a delete are needed, less some receives: the count is wrong"
