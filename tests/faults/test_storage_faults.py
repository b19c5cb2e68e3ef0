"""Storage answers 500 and 503, or slowly, or its answers are lost, for a while: in all of it, or in tables or queues
alone. Nothing accepted is lost."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pytest

from doubles.background import Background
from doubles.hooks import Hook, Receivers
from e2e.api import Api, custom
from e2e.conftest import Issuer, MakeSettings, MakeStorage, Storage
from e2e.hosting import Host, hosting

from .flow import QUICKLY, flowing, reconciles, take_note, wait_until_drained
from .proxy import Answers, Fault, HangsUp, Proxy, Request, Script, Waits, proxying

TYPE = "custom.flow"
LEASE = 5
AT_ONCE = "00000003"
CHANCE = random.Random(7)


@dataclass
class Stage:
    storage: Storage
    proxy: Proxy
    host: Host
    hook: Hook
    taken: list[str]
    issuer: Issuer


@pytest.fixture(scope="module")
def stage(
    background: Background, make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers
) -> Iterator[Stage]:
    storage = make_storage()
    with ExitStack() as stack:
        proxy = stack.enter_context(background.entered(proxying(storage.connection)))
        through = Storage(proxy.connection, storage.log)
        host = stack.enter_context(hosting(make_settings(through, **QUICKLY), LEASE))
        hook = receivers.serve().hook()
        taken = take_note(hook)
        with closing(Api(host.url, issuer.key)) as api:
            api.register(hook.url, TYPE)
            api.publish(custom(TYPE, AT_ONCE))  # makes the week's tables
        hook.wait()
        yield Stage(storage, proxy, host, hook, taken, issuer)


def every(fault: Fault, *services: str) -> Script:
    return lambda request: fault if request.service in services else None


def now_and_then(*faults: Fault) -> Script:
    """One request in three."""
    return lambda request: CHANCE.choice(faults) if CHANCE.random() < 1 / 3 else None


def writes_fail(service: str) -> Script:
    def script(request: Request) -> Fault | None:
        return Answers(503) if request.service == service and request.writes else None

    return script


LOST = HangsUp(afterwards=True)
FAULTS: dict[str, Script] = {
    "500 and 503 now and then": now_and_then(Answers(500), Answers(503)),
    "answers lost now and then": now_and_then(LOST),
    "everything now and then": now_and_then(HangsUp(afterwards=False), LOST, Waits(1), Answers(500), Answers(503)),
    "all of it slow": every(Waits(0.7), "Queue", "Table"),
    "tables 503": every(Answers(503), "Table"),
    "tables cannot be written": writes_fail("Table"),
    "queues cannot be written": writes_fail("Queue"),
    "everything 500": every(Answers(500), "Queue", "Table", "Blob"),
}
SHORTLY = (
    "everything now and then",
    "tables cannot be written",
    "queues cannot be written",
)


def test_storage_that_fails_for_a_while_loses_nothing(stage: Stage, full: bool) -> None:
    """One after the other, each while events flow; a call without a 202 may have been accepted or not."""
    stage.taken.clear()
    with flowing(stage.issuer.key, TYPE, [stage.host.url], pause=0.05) as flow:
        for name in FAULTS if full else SHORTLY:
            flow.wait_for_more(20, within=90)
            before, failed = stage.proxy.faults.total(), len(flow.errors)
            stage.proxy.script = FAULTS[name]
            flow.pause_for(25 if full else 1)
            stage.proxy.passes()
            print(f"\n{name}: {stage.proxy.faults.total() - before} requests, {len(flow.errors) - failed} calls failed")
            assert stage.proxy.faults.total() > before
        flow.wait_for_more(20, within=90)
        flow.stop()
    wait_until_drained(stage.storage.connection)
    reconciles(flow, stage.taken, stage.host.url, stage.issuer.key)
    print(f"put back as records: {len(stage.host.found('delivery.record_postponed'))}")
