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
MOST_FOR_ONE = 3.4
MOST_FOR_EACH_FURTHER = 2.4
FURTHER = 1
POLLS = 0.14
"""Of a message, on a quiet machine. One that is busy with other things publishes slowly, so that each poll finds fewer:
those polls are not counted."""
REQUEST = re.compile(r'"(?P<method>[A-Z]+) /devstoreaccount1/(?P<resource>[a-z-]*)[^"]*" (?P<status>\d+)')


@dataclass(frozen=True)
class Count:
    """Transactions of publishing and draining one burst, in kinds such as `POST deliveries`."""

    kinds: Counter[str]

    @property
    def per_event(self) -> float:
        polls = self.kinds["GET deliveries"]
        return (self.kinds.total() - polls + min(polls, self.most_polls)) / BURST

    @property
    def most_polls(self) -> float:
        return self.kinds["DELETE deliveries"] * POLLS

    def __str__(self) -> str:
        listed = ", ".join(f"{kind} {count / BURST:.2f}" for kind, count in self.kinds.most_common(12))
        return f"{self.per_event:.2f} per event ({listed})"


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
            before = _read(storage)
            sent = _publish_burst(api)
            for hook in used:
                known = len(hook.received) - len([each for each in hook.received if each.key in sent])
                arrived = hook.wait(known + BURST, within=60)[known:]
                assert {each.key for each in arrived} == sent
            assert host.stop() == 0
            counts.append(Count(_read(storage) - before))
    return counts[0], counts[1]


def _publish_burst(api: Api) -> set[str]:
    def publish(_: int) -> list[str]:
        with closing(Api(api.base, api.key)) as caller:
            return [each["idempotencyKey"] for each in caller.publish([custom("custom.burst") for _ in range(BATCH)])]

    with ThreadPoolExecutor(BURST // BATCH) as callers:
        return set(chain.from_iterable(callers.map(publish, range(BURST // BATCH))))


def _read(storage: Storage) -> Counter[str]:
    lines = storage.log.read_text(errors="replace")
    return Counter(f"{match['method']} {match['resource']}" for match in REQUEST.finditer(lines))


def test_one_endpoint(measured: tuple[Count, Count]) -> None:
    print(f"\none endpoint: {measured[0]}")
    assert measured[0].per_event <= MOST_FOR_ONE


def test_each_further_endpoint(measured: tuple[Count, Count]) -> None:
    further = (measured[1].per_event - measured[0].per_event) / FURTHER
    print(f"\n{1 + FURTHER} endpoints: {measured[1]}\neach further endpoint: {further:.2f}")
    assert further <= MOST_FOR_EACH_FURTHER
    assert further >= 1.5, "a put and a delete are needed, less some gets: the count is wrong"
