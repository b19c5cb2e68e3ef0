"""What follows each answer. All stories begin at once, and each test waits for the end of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from doubles.hooks import MARK, Answer, Hook

from .api import DELIVERIES, ENDPOINTS, Api, Json, custom, eventually
from .conftest import App

pytestmark = pytest.mark.usefixtures("dripping")
DELAYS = (1, 2, 1)
"""RETRY_DELAYS of the shared app."""
LATE = 3.0
"""Polling (0.5 s), whole seconds of the queue, and a busy machine may add this much to a delay."""


@dataclass(frozen=True)
class Story:
    """One event on its way to one endpoint."""

    hook: Hook
    endpoint: Json
    key: str
    delivery_id: str
    not_before: float = 0
    """The time, in seconds, that the receiver asked to be left alone until."""

    @property
    def path(self) -> str:
        return f"{ENDPOINTS}/{self.endpoint['id']}"


@pytest.fixture(scope="module")
def stories(app: App) -> Iterator[dict[str, Story]]:
    elsewhere = app.receiver.hook()
    back_at = (datetime.now(UTC) + timedelta(seconds=5)).replace(microsecond=0)
    answers: dict[str, tuple[int | Answer, ...]] = {
        "recovers": (500, 404, 500, 200),
        "never": (Answer(500, body=f"é{'x' * 5000}"),),
        "redirected": (Answer(307, headers={"Location": elsewhere.url}),),
        "created": (201,),
        "gone": (410,),
        "too many": (Answer(429, headers={"Retry-After": "3"}), 204),
        "back at a time": (Answer(503, headers={"Retry-After": format_datetime(back_at, usegmt=True)}), 200),
        "not for 500": (Answer(500, headers={"Retry-After": "60"}), 200),
        "no shorter": (Answer(503, headers={"Retry-After": "0"}), 200),
    }
    told = {name: _begin(app, app.receiver.hook(*each), name) for name, each in answers.items()}
    told["elsewhere"] = Story(elsewhere, {}, "", "")
    told["back at a time"] = replace(told["back at a time"], not_before=back_at.timestamp())
    yield told
    for story in told.values():
        if story.endpoint:
            app.api.call("DELETE", story.path, expect=204)


def _begin(app: App, hook: Hook, name: str) -> Story:
    own_type = f"custom.story.{name.replace(' ', '-')}"
    endpoint = app.api.register(hook.url, own_type)
    key = app.api.publish(custom(own_type))["idempotencyKey"]
    return Story(hook, endpoint, key, app.api.delivery_id(key, endpoint))


def gaps(story: Story) -> list[float]:
    """Seconds between the attempts as the receiver saw them."""
    return [later.at - earlier.at for earlier, later in pairwise(story.hook.received)]


def test_three_failures_and_a_success_are_four_attempts(stories: dict[str, Story], api: Api) -> None:
    story = stories["recovers"]
    story.hook.wait(4)
    delivery = api.ended(story.delivery_id, "delivered")
    assert delivery["endpointId"] == story.endpoint["id"]
    assert delivery["idempotencyKey"] == story.key
    assert [each["number"] for each in delivery["attempts"]] == [1, 2, 3, 4]
    assert [each["status"] for each in delivery["attempts"]] == [500, 404, 500, 200]
    assert all(each["durationMs"] >= 0 and each["startedAt"] for each in delivery["attempts"])
    assert len(story.hook.received) == 4
    assert not {"nextAttemptAt", "reason"} & delivery.keys()


def test_attempts_follow_the_schedule(stories: dict[str, Story]) -> None:
    stories["recovers"].hook.wait(4)
    for gap, delay in zip(gaps(stories["recovers"]), DELAYS, strict=True):
        assert delay <= gap < delay + LATE


def test_every_attempt_has_the_same_key_and_body(stories: dict[str, Story]) -> None:
    received = stories["recovers"].hook.wait(4)
    assert {each.key for each in received} == {stories["recovers"].key}
    assert len({each.body for each in received}) == 1
    stamps = [int(each.headers["webhook-timestamp"]) for each in received]
    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[0] >= sum(DELAYS) - 1, "the timestamp is the attempt's own"
    assert len({each.headers["traceparent"] for each in received}) == 4
    assert len({each.headers["traceparent"].split("-")[1] for each in received}) == 1


def test_an_exhausted_delivery_is_in_the_alert_log_until_a_retry_delivers_it(
    app: App, stories: dict[str, Story]
) -> None:
    story, api = stories["never"], app.api
    app.host.wait_for("delivery.exhausted", deliveryId=story.delivery_id)
    delivery = api.delivery(story.delivery_id)
    assert delivery["status"] == "failed"
    assert "500" in delivery["reason"]
    assert [each["number"] for each in delivery["attempts"]] == [1, 2, 3, 4]
    for attempt in delivery["attempts"]:
        assert attempt["response"].startswith("éxxx")
        assert len(attempt["response"].encode()) <= 2048, "the answer is read up to 2 KiB"
    assert [each for each in api.alerts() if each["id"] == story.delivery_id] == [delivery]
    health = api.call("GET", story.path).json["health"]
    assert health["state"] == "failing"
    assert health["firstFailureAt"]
    assert "500" in health["lastError"]

    story.hook.answer(200)
    api.call("POST", f"{DELIVERIES}/{story.delivery_id}/retry", expect=202)
    fifth = story.hook.wait(5)[4]
    assert (fifth.key, fifth.body) == (story.key, story.hook.received[0].body)
    delivered = api.ended(story.delivery_id, "delivered")
    assert [each["status"] for each in delivered["attempts"]] == [500, 500, 500, 500, 200]
    assert [each["number"] for each in delivered["attempts"]] == [1, 2, 3, 4, 5]
    eventually(api.alerts, lambda lines: story.delivery_id not in [line["id"] for line in lines])
    assert api.call("GET", story.path).json["health"]["state"] == "healthy"
    problem = api.call("POST", f"{DELIVERIES}/{story.delivery_id}/retry", expect=409).json
    assert "delivered" in problem["detail"]


def test_a_redirect_is_a_failure_and_is_not_followed(app: App, stories: dict[str, Story]) -> None:
    story = stories["redirected"]
    app.host.wait_for("delivery.exhausted", deliveryId=story.delivery_id)
    assert [each["status"] for each in app.api.delivery(story.delivery_id)["attempts"]] == [307] * 4
    assert not stories["elsewhere"].hook.received


def test_any_2xx_is_a_success(stories: dict[str, Story], api: Api) -> None:
    story = stories["created"]
    assert [each["status"] for each in api.ended(story.delivery_id, "delivered")["attempts"]] == [201]


def test_retry_after_lengthens_a_delay(stories: dict[str, Story]) -> None:
    stories["too many"].hook.wait(2)
    assert 3 <= gaps(stories["too many"])[0] < 3 + LATE


def test_retry_after_may_be_a_date(stories: dict[str, Story]) -> None:
    first, second = stories["back at a time"].hook.wait(2)
    assert int(second.headers["webhook-timestamp"]) >= stories["back at a time"].not_before
    assert second.at - first.at < 5 + LATE


@pytest.mark.parametrize("name", ["not for 500", "no shorter"])
def test_retry_after_does_nothing_else(stories: dict[str, Story], name: str) -> None:
    stories[name].hook.wait(2)
    assert DELAYS[0] <= gaps(stories[name])[0] < DELAYS[0] + LATE


def test_gone_disables_the_endpoint_until_an_admin_enables_it(app: App, stories: dict[str, Story]) -> None:
    story, api = stories["gone"], app.api
    app.host.wait_for("endpoint.disabled", endpointId=story.endpoint["id"])
    delivery = api.delivery(story.delivery_id)
    assert delivery["status"] == "cancelled"
    assert "410" in delivery["reason"]
    assert story.delivery_id not in [line["id"] for line in api.alerts()]
    health = api.call("GET", story.path).json["health"]
    assert health["state"] == "disabled"
    assert "410" in health["disabledReason"]
    own_type = story.endpoint["types"][0]
    assert api.publish(custom(own_type))["deliveries"] == 0
    api.call("POST", f"{DELIVERIES}/{story.delivery_id}/retry", expect=409)

    story.hook.answer(200)
    assert api.call("PATCH", story.path, {"enabled": True}).json["health"]["state"] == "healthy"
    back = custom(own_type)
    assert api.publish(back)["deliveries"] == 1
    story.hook.wait(key=back["meta"]["idempotencyKey"])
    api.call("POST", f"{DELIVERIES}/{story.delivery_id}/retry", expect=202)
    assert [each["status"] for each in api.ended(story.delivery_id, "delivered")["attempts"]] == [410, 200]


def test_a_pending_delivery_cannot_be_retried(app: App) -> None:
    hook = app.receiver.hook()
    hook.hold()
    story = _begin(app, hook, "held")
    hook.wait()
    assert "way" in app.api.call("POST", f"{DELIVERIES}/{story.delivery_id}/retry", expect=409).json["detail"]
    hook.release()
    app.api.ended(story.delivery_id, "delivered")
    app.api.call("DELETE", story.path, expect=204)


def test_what_is_no_answer_gives_a_reason(app: App) -> None:
    urls = {
        "refused": f"http://127.0.0.1:9/x?code={MARK}",
        "resolve": f"http://no-such-name.invalid/x?code={MARK}",
        "closed": app.receiver.hook(Answer(hang_up=True)).url,
    }
    endpoints = {word: app.api.register(url, "custom.unreachable") for word, url in urls.items()}
    key = app.api.publish(custom("custom.unreachable"))["idempotencyKey"]
    for word, endpoint in endpoints.items():
        record = app.host.wait_for("delivery.attempted", deliveryId=app.api.delivery_id(key, endpoint))
        assert word in record["error"]
        assert MARK not in record["error"]
        app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_a_receiver_that_drips_its_answer_is_not_waited_for(app: App, dripping: tuple[Hook, str]) -> None:
    """A complete head counts; what follows it is only read for the log, and for a few seconds."""
    hook, delivery_id = dripping
    hook.wait(2, within=30)
    first, second = app.api.ended(delivery_id, "delivered")["attempts"]
    assert first["durationMs"] < 10_000
    assert (first["status"], second["status"]) == (500, 200)
