"""A storm of poison messages, and endpoints that are deleted, disabled, registered again, changed or given another
secret while their deliveries wait. Events that flow meanwhile lose nothing."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain

import pytest
from azure.storage.queue import QueueClient

from bench.ledger import balance
from doubles.hooks import Receiver, Receivers
from e2e.api import ENDPOINTS, Api, Json, custom
from e2e.conftest import Issuer, MakeSettings, MakeStorage, Storage
from e2e.hosting import Host, hosting

from .flow import QUICKLY, flowing, never, reconciles, take_note, wait_until_drained

LEASE = 3
POISON = ("nothing of ours", "[1, 2, 3]", '{"v": 99}', '{"Id": "mine", "PopReceipt": "forged"}', "x" * 60_000)


@dataclass(frozen=True)
class Stage:
    storage: Storage
    host: Host
    api: Api
    receiver: Receiver
    issuer: Issuer

    def run_sweep(self) -> None:
        self.api.call("POST", "/admin/functions/sweep", {}, expect=202)


@pytest.fixture(scope="module")
def stage(
    make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers
) -> Iterator[Stage]:
    storage = make_storage()
    with ExitStack() as stack:
        host = stack.enter_context(hosting(make_settings(storage, **QUICKLY), LEASE))
        api = stack.enter_context(closing(Api(host.url, issuer.key)))
        yield Stage(storage, host, api, receivers.serve(), issuer)


def test_a_storm_of_poison_stops_nothing_and_is_kept_verbatim(stage: Stage, full: bool) -> None:
    """All kinds of it, one by one: tests/e2e/test_malformed_messages.py. Here events flow meanwhile."""
    hook = stage.receiver.hook()
    taken = take_note(hook)
    stage.api.register(hook.url, "custom.flow")
    storm = {f"{body} {number}" for number in range(300 if full else 10) for body in POISON}
    unseen = {json.dumps({"dequeueCount": f"abc{number}"}) for number in range(30 if full else 3)}
    with flowing(stage.issuer.key, "custom.flow", [stage.host.url], pause=0.05) as flow:
        flow.wait(10)  # the queue is there
        with QueueClient.from_connection_string(stage.storage.connection, "deliveries") as queue:
            for body in storm:
                queue.send_message(body)
        stage.host.wait_for("poison.malformed")  # and so is the other one
        with QueueClient.from_connection_string(stage.storage.connection, "deliveries-poison") as queue:
            for body in unseen:  # it fails before any code runs
                queue.send_message(body)
        flow.wait_for_more(30)
    stage.run_sweep()
    wait_until_drained(stage.storage.connection)
    found = reconciles(flow, taken, stage.host.url, stage.issuer.key)
    assert found.failed == len([key for key in flow.accepted if never(key)])
    assert {line["message"] for line in stage.api.alerts() if "message" in line} == storm | unseen


CHANGES = ("delete", "disable", "register again", "rotate", "narrow")
CANCELLED = {"delete": "deleted", "disable": "disabled", "register again": "deleted"}
AGAIN = "the endpoint was deleted and registered again"


def change(api: Api, name: str, endpoint: Json, url: str) -> None:
    path = f"{ENDPOINTS}/{endpoint['id']}"
    match name:
        case "delete":
            api.call("DELETE", path, expect=204)
        case "disable":
            api.call("PATCH", path, {"enabled": False})
        case "register again":
            api.call("DELETE", path, expect=204)
            api.register(url, *endpoint["types"])
        case "rotate":
            api.call("POST", f"{path}/secret/rotate")
        case "narrow":
            api.call("PATCH", path, {"types": ["custom.else"]})


def test_endpoints_that_change_while_their_deliveries_wait(stage: Stage, full: bool) -> None:
    """What waits is cancelled with its reason, or delivered; what was matched at publish is not matched again."""
    later = [30 if full else 6]  # by then all has been changed
    hooks = {name: stage.receiver.hook(503, 200) for name in CHANGES}
    endpoints = {
        name: stage.api.register(hook.url, f"custom.{name.split()[0]}", retryDelays=later)
        for name, hook in hooks.items()
    }
    count = 100 if full else 10
    events = [custom(endpoints[name]["types"][0]) for name in CHANGES for _ in range(count)]
    for first in range(0, len(events), 100):
        stage.api.publish(events[first : first + 100])
    for hook in hooks.values():
        hook.wait()  # the bulkhead or the breaker may hold what comes after
    for name in CHANGES:
        change(stage.api, name, endpoints[name], hooks[name].url)
    wait_until_drained(stage.storage.connection)
    accepted = {(event["type"], event["meta"]["idempotencyKey"]) for event in events}
    received, cancelled, reasons = [], set(), set()
    for name, hook in hooks.items():
        of_type = endpoints[name]["types"][0]
        received += [(of_type, key) for key, posts in Counter(each.key for each in hook.received).items() if posts > 1]
        for row in chain(*stage.api.pages(f"endpoint={endpoints[name]['id']}")):
            assert row["status"] == ("cancelled" if name in CANCELLED else "delivered")
            if name in CANCELLED:
                assert CANCELLED[name] in row["reason"]
                reasons.add(row["reason"])
                cancelled.add((of_type, row["idempotencyKey"]))
    found = balance(accepted, received, cancelled)
    print(f"\n{found.accepted} accepted = {found.delivered} delivered + {found.failed} cancelled")
    assert found.faults == []
    assert AGAIN in reasons, "but a message that came between the two says that it was deleted"
    assert found.delivered == 2 * count
    signatures = {len(each.headers["webhook-signature"].split(" ")) for each in hooks["rotate"].received}
    assert signatures == {1, 3}, "the old secret before the rotation, both after it, and the new one again"
