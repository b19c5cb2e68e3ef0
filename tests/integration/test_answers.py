"""Answers that say more than their status: a flow that is off, deleted, or takes no such body."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from shared.admin.retry import retry
from shared.admin.samples import send_test
from shared.model import Attempt, Auth, Endpoint, endpoint_id
from shared.outbound.breaker import OPENS_AFTER
from shared.outbound.client import Response
from shared.storage.alerts import Malformed

from .scene import OK, Scene, an_event


def azure(code: str, message: str = "why") -> Response:
    return Response(400, json.dumps({"error": {"code": code, "message": message}}), None)


OFF = azure("WorkflowTriggerIsNotEnabled", "Could not execute workflow 'f' trigger 'manual' with state 'Suspended'.")
DELETED = azure("WorkflowNotFound")
MISFIT = azure("TriggerInputSchemaMismatch")


def published(scene: Scene, *answers: Response) -> Any:
    scene.receiver.answers = [*answers]
    scene.register()
    scene.publish(an_event())
    return scene.ids(an_event())[0]


def the_endpoint(scene: Scene) -> Endpoint:
    [endpoint] = [each for each in scene.app.endpoints.read_all() if "*" in each.types]
    return endpoint


def test_a_flow_that_is_off_is_asked_again_in_an_hour_and_then_delivered_to(scene: Scene) -> None:
    delivery_id = published(scene, OFF, OK)
    scene.dispatch_next()
    assert scene.row(delivery_id).status == "pending"
    assert scene.dispatch_next() // timedelta(minutes=1) == 60
    assert scene.row(delivery_id).status == "delivered"


def test_a_flow_that_stays_off_uses_up_the_schedule_and_the_alert_log_says_why(scene: Scene) -> None:
    delivery_id = published(scene, OFF)
    waited = [scene.dispatch_next() // timedelta(minutes=1) for _ in range(4)]
    assert waited == [0, 60, 60, 60]
    assert scene.queue.held == []
    scene.exhaust_next()
    [line] = scene.alerts()
    assert not isinstance(line, Malformed)
    assert line[0] == delivery_id
    assert "answered 400 WorkflowTriggerIsNotEnabled: the flow is turned off: turn it on" in str(line[1].reason)
    assert the_endpoint(scene).health.state == "failing"


def test_what_waits_for_a_flow_that_is_off_arrives_when_it_is_on_again(scene: Scene) -> None:
    """However much that is: the breaker is for receivers that say nothing of use, and would give it up earlier."""
    published(scene, OFF)
    for number in range(OPENS_AFTER + 2):
        scene.publish(an_event(f"more-{number}"))
    for _ in range(OPENS_AFTER + 3):
        scene.dispatch_earliest()
    assert len(scene.receiver.posts) == OPENS_AFTER + 3
    scene.receiver.answers = [OK]
    scene.run_in_order()
    assert len(scene.receiver.posts) == 2 * (OPENS_AFTER + 3)
    assert scene.alerts() == []


def test_a_pause_lengthens_the_time_for_which_the_breaker_may_hold_a_delivery(scene: Scene) -> None:
    """An hour's pause lengthens the deadline of a delivery as a long Retry-After does."""
    published(scene, OFF)
    before = json.loads(scene.queue.held[0][0])["deadlineAt"]
    scene.dispatch_next()
    assert json.loads(scene.queue.held[0][0])["deadlineAt"] > before


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_deleted_flow_ends_the_delivery_and_disables_its_endpoint(scene: Scene, repeats: int) -> None:
    delivery_id = published(scene, DELETED)
    text = scene.queue.held[0][0]
    scene.register("https://ops.example/", types=("webhook.*",))
    for count in range(repeats):
        scene.queue.held.append((text, timedelta()))
        scene.dispatch_next(dequeue_count=count + 1)
    row = scene.row(delivery_id)
    assert (row.status, row.gone, len(row.attempts)) == ("cancelled", True, 1)
    reason = "the receiver answered 400 WorkflowNotFound: the flow was deleted: register the URL of its successor"
    assert row.reason == the_endpoint(scene).health.disabled_reason == reason
    assert scene.alerts() == []
    assert [event.type for event in scene.events("webhook.")] == ["webhook.endpoint_disabled"]


def test_a_body_that_a_flow_will_never_take_is_in_the_alert_log_at_once(scene: Scene) -> None:
    delivery_id = published(scene, MISFIT)
    scene.register("https://ops.example/", types=("webhook.*",))
    scene.dispatch_next()
    scene.exhaust_next()
    [line] = scene.alerts()
    assert not isinstance(line, Malformed)
    assert (line[0], line[1].status, len(line[1].attempts)) == (delivery_id, "failed", 1)
    assert "TriggerInputSchemaMismatch: the body does not fit the JSON schema" in str(line[1].reason)
    assert [event.type for event in scene.events("webhook.")] == ["webhook.delivery_failed"]


def test_an_endpoint_whose_flow_refuses_bodies_is_well_and_not_held_back(scene: Scene) -> None:
    published(scene, MISFIT)
    for number in range(OPENS_AFTER + 2):
        scene.publish(an_event(f"more-{number}"))
    scene.run()
    assert len(scene.receiver.posts) == OPENS_AFTER + 3, "every one was tried once, and none was held"
    health = the_endpoint(scene).health
    assert (health.state, health.exhausted, health.last_error) == ("healthy", (), None)


def test_after_the_schema_is_corrected_a_retry_arrives(scene: Scene) -> None:
    delivery_id = published(scene, MISFIT, OK)
    scene.dispatch_next()
    scene.exhaust_next()
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run()
    assert scene.row(delivery_id).status == "delivered"
    assert scene.alerts() == []


class Echo:
    """Answers with the whole request, as debugging endpoints and many error pages do."""

    def __init__(self, scene: Scene, status: int = 400) -> None:
        self._scene, self._status = scene, status
        scene.receiver.before = self.say

    def say(self) -> None:
        url, headers, _ = self._scene.receiver.posts[-1]
        shown = json.dumps({"url": url, "at": quote(url), "headers": headers})
        self._scene.receiver.by_url[url] = Response(self._status, shown, None)


@pytest.mark.parametrize("status", [200, 400, 500])
def test_what_a_receiver_echoes_of_its_url_and_auth_is_not_kept(scene: Scene, status: int) -> None:
    """Whoever holds Point.Read saw it in the log."""
    url = "https://receiver.example/hooks/T0AB12CD/inbox?code=o74oKsbrgHDI%2B%3D"
    auth = Auth(type="basic", username="company+public", password="pä:ss", headers={"X-Api-Key": "Key 0123456789"})
    Echo(scene, status)
    scene.register(url, auth=auth, retry_delays=())
    scene.publish(an_event())
    scene.run()
    [(headers, _)] = scene.receiver.of(url)
    assert headers["Authorization"].startswith("Basic ")
    row = scene.row(scene.ids(an_event())[0])
    kept = row.model_dump_json() + str(scene.alerts())
    endpoint = scene.app.endpoints.get(endpoint_id(url))
    kept += endpoint.health.model_dump_json() if endpoint else ""
    assert "https://receiver.example…" in str(row.attempts[0].response)
    for secret in ("T0AB12CD", "o74oKsbrgHDI", "code=", "company", "0123456789", headers["Authorization"][6:]):
        assert secret not in kept


def test_a_test_event_does_not_show_what_its_receiver_echoes_either(scene: Scene) -> None:
    Echo(scene)
    made = send_test(scene.app, scene.register("https://receiver.example/hooks/T0AB12CD"), None)
    assert isinstance(made, Attempt)
    assert "receiver.example" in str(made.response)
    assert "T0AB12CD" not in str(made.response)


def test_what_an_answer_means_is_seen_beside_what_is_hidden_in_it(scene: Scene) -> None:
    off = azure(
        "WorkflowTriggerIsNotEnabled", "Could not execute workflow '9f2c0a44' trigger 'manual' of ?sig=Zm9vYmFy"
    )
    scene.receiver.answers = [off]
    scene.register("https://receiver.example/workflows/9f2c0a44/triggers/manual/paths/invoke?sig=Zm9vYmFy")
    scene.publish(an_event())
    scene.dispatch_next()
    row = scene.row(scene.ids(an_event())[0])
    assert str(row.attempts[0].response).endswith("workflow '…' trigger '…' of ?…\"}}")
    assert row.next_attempt_at is not None
    assert row.next_attempt_at - row.attempts[0].started_at >= timedelta(hours=1)
