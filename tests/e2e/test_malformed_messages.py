"""Whatever lies on the queues crashes nothing, loops nowhere, and is found in the alert log, verbatim."""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
import requests
from azure.storage.queue import QueueClient

from doubles.hooks import Hook, Receivers

from .api import Api, custom, eventually
from .conftest import Issuer, MakeSettings, MakeStorage, Storage
from .hosting import QUEUES, Host, hosting

COUNT = 1000
AT_ONCE = 250
QUICKLY = {
    f"{QUEUES}maxPollingInterval": "00:00:00.5",
    f"{QUEUES}visibilityTimeout": "00:00:01",
    f"{QUEUES}maxDequeueCount": "3",
}
FEW = 100
"""Messages that fail before any code runs take longest, so they are among the first only."""
LEASE = 2
KIB_64 = 64 * 1024


@dataclass
class Flood:
    """What was put on the queues, by the kind of message, and the app that took it."""

    api: Api
    host: Host
    hook: Hook
    queues: list[QueueClient]
    put: dict[str, list[str]] = field(default_factory=dict)


def digest(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:16]).decode().rstrip("=")


def about_nothing(genuine: str, key: str, endpoint: str) -> dict[str, str]:
    """Messages as the app writes them, about things that it never accepted."""
    without_event = json.dumps({name: value for name, value in json.loads(genuine).items() if name != "event"})
    other_key = secrets.token_hex(8)
    return {
        "unknown endpoint": genuine.replace(endpoint, digest(secrets.token_hex(8))),
        "unknown event": without_event.replace(key, other_key).replace(digest(key), digest(other_key)),
        "unknown version": re.sub(r'"v": ?1', f'"v":"{secrets.token_hex(8)}"', genuine),
        "id of another event": genuine.replace(digest(key), digest(other_key)),
    }


def shapeless() -> dict[str, str]:
    """Messages that were never the app's."""
    unique = secrets.token_hex(8)
    return {
        "not JSON": f"{{{unique}",
        "a word": unique,
        "an array": f'["{unique}"]',
        "a number": str(int(unique, 16)),
        "wrong shape": f'{{"v":1,"delivery":"{unique}"}}',
        "null members": f'{{"v":1,"delivery":null,"x":"{unique}"}}',
        "64 KiB": f'{{"v":1,"x":"{unique}{"x" * (KIB_64 - 100)}"}}',
        "not ASCII": f"é🦊<&>{unique}",
        "base64": base64.b64encode(unique.encode()).decode(),
        "deep": "[" * 20000 + unique,
        "id": f'{{"id":"{unique}","Id":"x"}}',
        "insertionTime of long ago": f'{{"insertionTime":"1999-01-01T00:00:00+00:00","x":"{unique}"}}',
    }


def hostile() -> dict[str, str]:
    """Messages whose members the host takes for its own metadata, so that decoding fails before any code runs."""
    unique = secrets.token_hex(8)
    return {
        "dequeueCount": f'{{"dequeueCount":"abc","x":"{unique}"}}',
        "DEQUEUECOUNT": f'{{"DEQUEUECOUNT":{{"a":"{unique}"}}}}',
        "insertionTime": f'{{"insertionTime":"{unique}"}}',
        "expirationTime": f'{{"ExpirationTime":"{unique}","v":1}}',
    }


@pytest.fixture(scope="module")
def flood(
    make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers
) -> Iterator[Flood]:
    """All COUNT messages, on both queues in turn, taken by an app that delivers events meanwhile."""
    storage = make_storage()
    settings = make_settings(storage, **QUICKLY)
    hook = receivers.serve().hook()
    with ExitStack() as stack:
        genuine, key, endpoint = _capture(settings, storage, issuer, hook)
        host = stack.enter_context(hosting(settings, LEASE))
        api = Api(host.url, issuer.key)
        stack.callback(api.close)
        queues = [
            stack.enter_context(QueueClient.from_connection_string(storage.connection, name))
            for name in ("deliveries", "deliveries-poison")
        ]
        flood = Flood(api, host, hook, queues)
        _pour(flood, genuine, key, endpoint)
        yield flood


def _capture(settings: dict[str, str], storage: Storage, issuer: Issuer, hook: Hook) -> tuple[str, str, str]:
    """A message as the app puts it, with its event's key and its endpoint's id. Both queues are there afterwards."""
    with hosting({**settings, "AzureWebJobs.dispatch.Disabled": "true"}) as host:
        api = Api(host.url, issuer.key)
        endpoint = api.register(hook.url, "custom.genuine")
        key = api.publish(custom("custom.genuine"))["idempotencyKey"]
        api.close()
        assert host.stop() == 0
    with QueueClient.from_connection_string(storage.connection, "deliveries-poison") as poison:
        poison.create_queue()
    with QueueClient.from_connection_string(storage.connection, "deliveries") as queue:
        message = queue.peek_messages()[0]
    return str(message.content), key, str(endpoint["id"])


def _pour(flood: Flood, genuine: str, key: str, endpoint: str) -> None:
    poured = 0
    while poured < COUNT:
        for queue in flood.queues:
            kinds = shapeless() | about_nothing(genuine, key, endpoint) | (hostile() if poured < FEW else {})
            for kind, text in list(kinds.items())[: COUNT - poured]:
                flood.put.setdefault(kind, []).append(text)
                queue.send_message(text)
                poured += 1
        flood.host.wait_for_count("poison.malformed", poured - AT_ONCE)


def _run_sweep(flood: Flood) -> None:
    answer = requests.post(f"{flood.api.base}/admin/functions/sweep", json={}, timeout=10)
    assert answer.status_code == 202


def test_all_are_found_in_the_alert_log_verbatim(flood: Flood) -> None:
    put = [text for texts in flood.put.values() for text in texts]
    assert len(put) == len(set(put)) == COUNT
    _run_sweep(flood)
    flood.host.wait_for_count("poison.malformed", COUNT)
    lines = flood.api.alerts()
    found = {line["message"] for line in lines}
    missing = {kind: [text[:80] for text in texts if text not in found] for kind, texts in flood.put.items()}
    assert not {kind: texts for kind, texts in missing.items() if texts}
    assert len(lines) == COUNT
    assert all(line["status"] == "failed" and line["reason"] for line in lines)


def test_one_line_is_shown_by_its_id(flood: Flood) -> None:
    line = flood.api.alerts()[0]
    assert flood.api.delivery(line["id"]) == line


def test_nothing_loops(flood: Flood) -> None:
    """Each message was kept once, and the queues are empty."""
    ids = [record["id"] for record in flood.host.found("poison.malformed")]
    assert len(ids) == len(set(ids)) == COUNT
    for queue in flood.queues:
        eventually(queue.get_queue_properties, lambda it: it.approximate_message_count == 0)


def test_what_is_no_delivery_cannot_be_retried(flood: Flood) -> None:
    line = flood.api.alerts()[0]
    flood.api.call("POST", f"/v1.0/webhooks/deliveries/{line['id']}/retry", expect=404)


def test_nothing_crashed_and_events_still_flow(flood: Flood) -> None:
    event = custom("custom.genuine")
    flood.api.publish(event)
    flood.hook.wait(key=event["meta"]["idempotencyKey"])
    flood.hook.wait(2)
    assert len(flood.hook.received) == 2, "the captured event and this one; no forgery reached the receiver"
    assert flood.host.stop() == 0
