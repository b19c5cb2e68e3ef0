"""`POST /v1.0/webhooks/endpoints/{id}/replay`: what the log holds, once more."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from doubles.hooks import Answer, Hook

from .api import ENDPOINTS, Api, Json, custom, eventually
from .conftest import App

TYPE = "custom.replayed"


@dataclass(frozen=True)
class Log:
    """An endpoint with three deliveries, the second of which is exhausted."""

    hook: Hook
    endpoint: Json
    keys: list[str]
    began_at: str

    @property
    def path(self) -> str:
        return f"{ENDPOINTS}/{self.endpoint['id']}/replay"


@pytest.fixture(scope="module")
def log(app: App) -> Iterator[Log]:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, TYPE)
    began_at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    events = [custom(TYPE, n=number) for number in range(3)]
    keys = [event["meta"]["idempotencyKey"] for event in events]
    hook.answer_by(lambda key, known: Answer(500 if key == keys[1] else 200))
    app.api.publish(events)
    for key, status in zip(keys, ("delivered", "failed", "delivered"), strict=True):
        app.api.ended(app.api.delivery_id(key, endpoint), status)
    hook.answer(200)
    yield Log(hook, endpoint, keys, began_at)
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def deliveries(api: Api, log: Log) -> list[Json]:
    return [each for page in api.pages(f"endpoint={log.endpoint['id']}") for each in page]


def replay(app: App, log: Log, headers: dict[str, str | None] | None = None, **body: str) -> list[str]:
    """The keys of what arrives because of a call, as soon as all of it has; what is before it in the queue is over."""
    known = len(log.hook.received)
    answer = app.api.call("POST", log.path, {"since": log.began_at, **body}, expect=202, headers=headers).json
    assert answer.keys() == {"count"}
    return [each.key for each in log.hook.wait(known + answer["count"])[known:]]


def test_only_failed_ones(app: App, log: Log) -> None:
    assert replay(app, log, status="failed") == [log.keys[1]]
    newest = await_rows(app, log, 4)[0]
    assert (newest["idempotencyKey"], newest["status"]) == (log.keys[1], "delivered")
    assert len(newest["attempts"]) == 1
    assert replay(app, log, status="failed") == [], "it has arrived meanwhile"


def test_all_with_an_idempotency_key_and_the_call_once_more(app: App, log: Log) -> None:
    header: dict[str, str | None] = {"Idempotency-Key": "replay-1"}
    before = Counter(each["idempotencyKey"] for each in deliveries(app.api, log))
    first_bodies = {key: log.hook.of(key)[0].body for key in log.keys}
    assert sorted(replay(app, log, header)) == sorted(log.keys)
    for key in log.keys:
        assert log.hook.of(key)[-1].body == first_bodies[key]
    after = await_rows(app, log, sum(before.values()) + 3)
    assert Counter(each["idempotencyKey"] for each in after) == before + Counter(log.keys)
    assert len({each["id"] for each in after}) == len(after), "every delivery has an id of its own"
    posts = len(log.hook.received)
    again = app.api.call("POST", log.path, {"since": log.began_at}, expect=202, headers=header).json
    assert again == {"count": 3}
    event = custom(TYPE)
    app.api.publish(event)
    log.hook.wait(key=event["meta"]["idempotencyKey"])
    assert len(log.hook.received) == posts + 1, "the repeated call sent nothing"


def await_rows(app: App, log: Log, count: int) -> list[Json]:
    """The log, once it has this many deliveries, all at their end."""
    return eventually(
        lambda: deliveries(app.api, log),
        lambda found: len(found) == count and all(each["status"] != "pending" for each in found),
    )


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2099-01-01T00:00:00Z"}, "since: is in the future"),
        ({"since": "2026-11-22T10:00:00Z", "status": "pending"}, "status"),
        ({"since": "2026-11-22T10:00:00Z", "continuation": "nonsense"}, "continuation"),
        ({"since": "2026-11-22T10:00:00Z", "until": "x"}, "until"),
    ],
)
def test_a_wrong_call_is_refused_in_words(app: App, log: Log, body: Json, named: str) -> None:
    assert named in app.api.call("POST", log.path, body, expect=400).json["detail"]


def test_only_an_admin_and_only_a_known_endpoint_that_receives(app: App, log: Log) -> None:
    body = {"since": log.began_at}
    app.api.call("POST", log.path, body, roles=["Point.Read"], expect=403)
    app.api.call("POST", f"{ENDPOINTS}/{'A' * 26}/replay", body, expect=404)
    path = f"{ENDPOINTS}/{log.endpoint['id']}"
    app.api.call("PATCH", path, {"enabled": False})
    assert "enable it" in app.api.call("POST", log.path, body, expect=409).json["detail"]
    app.api.call("PATCH", path, {"enabled": True})
