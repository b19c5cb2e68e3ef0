"""Endpoints with a schedule and a pace of their own."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from shared.api import endpoints, subscriptions
from shared.storage.messages import decode

from .api import Api
from .scene import BUSY, URL, an_event

LOOPBACK_URL = "http://127.0.0.1:9/own"


def test_what_is_registered_is_shown_kept_and_taken_back_by_a_patch(api: Api) -> None:
    shown = api.registered(LOOPBACK_URL, retryDelays=[5, 0.5e2], maxPerSecond=2)
    assert (shown["retryDelays"], shown["maxPerSecond"]) == ([5, 50], 2)
    assert api.registered(LOOPBACK_URL, name="renamed")["retryDelays"] == [5, 50]
    patched = api(endpoints.change, {"retryDelays": None, "maxPerSecond": 0.5}, route=shown["id"]).body
    assert "retryDelays" not in patched
    assert patched["maxPerSecond"] == 0.5


def test_a_subscription_takes_them_too(api: Api) -> None:
    body = {"callbackUrl": LOOPBACK_URL, "retryDelays": [], "maxPerSecond": 4}
    answer = api(subscriptions.create, body)
    assert answer.status == 201
    assert (answer.body["retryDelays"], answer.body["maxPerSecond"]) == ([], 4)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("retryDelays", [0]),
        ("retryDelays", [-5]),
        ("retryDelays", ["soon"]),
        ("retryDelays", [1] * 21),
        ("retryDelays", [604_800, 60]),
        ("maxPerSecond", 0),
        ("maxPerSecond", 1001),
    ],
)
def test_what_no_queue_or_clock_can_keep_to_is_refused(api: Api, field: str, value: Any) -> None:
    answer = api(endpoints.register, {"endpoint": LOOPBACK_URL, "types": ["*"], field: value})
    assert answer.status == 400
    assert field in answer.text


@pytest.mark.parametrize(("delays", "attempts"), [([], 1), ([7], 2), ([7, 7, 7, 7], 5)])
def test_deliveries_are_retried_on_it(api: Api, delays: list[float], attempts: int) -> None:
    scene = api.scene
    scene.register(retry_delays=tuple(timedelta(seconds=delay) for delay in delays))
    scene.receiver.by_url[URL] = BUSY
    scene.publish(an_event())
    waits = []
    while scene.queue.held:
        waits.append(scene.dispatch_next().total_seconds())
    assert len(scene.receiver.posts) == attempts
    row = scene.row(scene.ids(an_event())[0])
    assert row.status == "failed"
    took = [each.duration_ms / 1000 for each in row.attempts]  # the scene's clock stands still meanwhile
    assert all(7 <= round(wait - of, 6) <= 7.7 for wait, of in zip(waits[1:], took, strict=False))


def test_a_pace_is_kept_to_from_the_start(api: Api) -> None:
    scene, posted_at = api.scene, []
    scene.register(max_per_second=0.5)
    scene.receiver.before = lambda: posted_at.append(scene.clock.now)
    for number in range(6):
        scene.publish(an_event(f"key-{number}"))
    scene.run_in_order()
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(posted_at)]
    assert len(posted_at) == 6
    assert min(gaps) >= 1.99


def test_its_deadline_stays_also_when_the_endpoint_was_read_a_while_ago(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an attempt that took longer than what was read may be acted on."""
    scene = api.scene
    scene.register(retry_delays=(timedelta(hours=1),))
    scene.receiver.by_url[URL] = BUSY
    scene.publish(an_event())
    before = decode(scene.queue.held[0][0].encode()).deadline_at
    monkeypatch.setattr("shared.storage.snapshot.CACHE_SECONDS", -1.0)
    scene.dispatch_next()
    assert decode(scene.queue.held[0][0].encode()).deadline_at == before
