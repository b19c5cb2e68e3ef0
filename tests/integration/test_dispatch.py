"""Attempts, their rows and what follows them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from doubles.running import dispatch
from shared.outbound.client import NoResponse, Response
from shared.outbound.signing import sign_point
from shared.storage.alerts import Malformed
from shared.storage.clients import StorageUnavailable
from shared.storage.messages import decode, encode

from .conftest import Calls
from .scene import BUSY, OK, THURSDAY, URL, Scene, an_event


def published(scene: Scene, **event: Any) -> Any:
    """Registers an endpoint and publishes an event to it; answers the delivery's id."""
    scene.register()
    scene.publish(an_event(**event))
    return scene.ids(an_event(**event))[0]


# One attempt


def test_a_delivery_is_signed_both_ways_and_recorded(scene: Scene) -> None:
    delivery_id = published(scene)
    scene.clock.now = datetime.now(UTC)  # a judge of signatures looks at the time too
    trace = decode(scene.queue.held[0][0].encode()).traceparent
    scene.dispatch_next()
    [(url, headers, body)] = scene.receiver.posts
    assert url == URL
    assert json.loads(body) == {
        "type": "custom.test",
        "content": {"a": 1},
        "meta": {"timeStamp": "2026-11-19T10:00:00Z", "idempotencyKey": "key-1"},
    }
    endpoint = scene.app.endpoints.get(delivery_id.endpoint)
    assert endpoint is not None
    assert Webhook(endpoint.secret).verify(body, headers)
    expected = sign_point(body, scene.app.options.signature_key(scene.clock.now))
    assert {name: headers[name] for name in expected} == expected
    assert headers["Content-Type"] == "application/json"
    assert headers["traceparent"][:36] == trace[:36]
    assert headers["traceparent"] != trace
    row = scene.row(delivery_id)
    assert (row.status, row.reason, row.next_attempt_at) == ("delivered", None, None)
    [attempt] = row.attempts
    assert (attempt.number, attempt.status, attempt.response, attempt.error) == (1, 200, "fine", None)
    assert scene.queue.held == scene.poison.held == []


def test_a_first_delivery_reads_nothing_before_its_post_and_writes_one_row(scene: Scene, calls: Calls) -> None:
    published(scene)
    scene.dispatch_next()
    scene.publish(an_event("second"))
    seen_before_post: list[int] = []
    scene.receiver.before = lambda: seen_before_post.append(len(calls))
    calls.clear()
    scene.dispatch_next()
    assert seen_before_post == [0]
    assert calls == [("POST", "deliveries20261116")]


def test_a_retry_reads_its_row_first_and_replaces_it(scene: Scene, calls: Calls) -> None:
    scene.receiver.answers = [BUSY, OK]
    published(scene)
    scene.dispatch_next()
    calls.clear()
    scene.dispatch_next()
    assert [method for method, _ in calls] == ["GET", "PUT"]


def test_a_large_event_is_read_from_its_table(scene: Scene) -> None:
    content = json.dumps({"a": "é" * 100_000}, ensure_ascii=False)
    published(scene, content=content)
    assert decode(scene.queue.held[0][0].encode()).event is None
    scene.dispatch_next()
    assert json.loads(scene.receiver.posts[0][2])["content"] == json.loads(content)


# The schedule


def test_failures_are_retried_on_the_published_schedule_until_it_is_spent(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    delivery_id = published(scene)
    delays = []
    while scene.queue.held:
        delays.append(scene.dispatch_next())
    wanted = [0, 30, 120, 600]
    assert all(least <= delay.total_seconds() <= 1.1 * least for least, delay in zip(wanted, delays, strict=True))
    row = scene.row(delivery_id)
    assert (row.status, row.reason) == ("failed", "the receiver answered 500")
    assert [attempt.number for attempt in row.attempts] == [1, 2, 3, 4]
    assert len(scene.poison.held) == 1


def test_every_attempt_has_the_same_body_and_key_and_a_timestamp_of_its_own(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    published(scene)
    scene.run()
    posts = scene.receiver.posts
    assert len(posts) == 4
    assert len({body for _, _, body in posts}) == 1
    assert {headers["webhook-id"] for _, headers, _ in posts} == {"key-1"}
    assert len({headers["webhook-timestamp"] for _, headers, _ in posts}) == 4
    assert len({headers["Signature"] for _, headers, _ in posts}) == 1


def test_a_failure_then_success_ends_delivered_with_both_attempts(scene: Scene) -> None:
    scene.receiver.answers = [NoResponse("connection refused"), OK]
    delivery_id = published(scene)
    scene.run()
    row = scene.row(delivery_id)
    assert row.status == "delivered"
    assert [(each.status, each.error) for each in row.attempts] == [(None, "connection refused"), (200, None)]
    assert scene.alerts() == []


def test_retry_after_puts_a_delivery_off_unspent_for_an_hour_at_most(scene: Scene) -> None:
    scene.receiver.answers = [Response(429, None, timedelta(seconds=90)), Response(503, None, timedelta(days=3)), OK]
    delivery_id = published(scene)
    seen: list[float] = []
    scene.receiver.before = lambda: seen.append((scene.clock.now - THURSDAY).total_seconds())
    scene.run_in_order()
    assert seen[0] == 0
    assert 90 <= seen[1] <= 95
    assert 3600 <= seen[2] - seen[1] <= 3610
    assert [attempt.status for attempt in scene.row(delivery_id).attempts] == [200]


def test_a_pending_delivery_says_when_its_next_attempt_is_due(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    delivery_id = published(scene)
    scene.dispatch_next()
    row = scene.row(delivery_id)
    assert row.next_attempt_at is not None
    assert timedelta(seconds=30) <= row.next_attempt_at - row.attempts[-1].ended_at < timedelta(seconds=33)


# Copies and crashes


def test_a_copy_of_a_delivered_message_is_not_sent_again(scene: Scene) -> None:
    published(scene)
    text = scene.queue.held[0][0]
    scene.dispatch_next()
    scene.publish(an_event())
    assert scene.queue.held == []
    dispatch(scene.app, text.encode(), 2)
    scene.clock.move(timedelta(minutes=5))
    dispatch(scene.app, text.encode(), 1)
    assert len(scene.receiver.posts) == 1


def test_a_message_that_comes_back_after_its_attempt_only_puts_the_next(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    published(scene)
    text = scene.queue.held[0][0]
    scene.dispatch_next()
    scene.queue.held.clear()  # the crash came before the put
    dispatch(scene.elsewhere().app, text.encode(), 2)
    assert [decode(text.encode()).attempt for text, _ in scene.queue.held] == [2]
    assert len(scene.receiver.posts) == 1


def test_two_copies_of_a_retry_make_one_chain(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    published(scene)
    scene.dispatch_next()
    scene.queue.held.append(scene.queue.held[0])
    scene.dispatch_next()
    scene.dispatch_next()
    assert [decode(text.encode()).attempt for text, _ in scene.queue.held] == [3]
    assert len(scene.receiver.posts) == 2


def test_an_attempt_that_cannot_be_recorded_is_recorded_later_and_not_posted_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.receiver.answers = [Response(500, "later", None)]
    delivery_id = published(scene)

    def fail(*given: object) -> None:
        raise StorageUnavailable("inserting into deliveries: storage answered 500")

    with monkeypatch.context() as broken:
        broken.setattr(scene.app.rows, "insert", fail)
        scene.dispatch_next()
    [(text, _)] = scene.queue.held
    assert decode(text.encode()).result is not None
    scene.dispatch_next()
    assert len(scene.receiver.posts) == 1
    assert scene.row(delivery_id).attempts[0].response == "later"
    [(text, delay)] = scene.queue.held
    assert decode(text.encode()).attempt == 2
    assert delay > timedelta(seconds=25)


# What is no message of ours


@pytest.mark.parametrize("body", [b"hello", b"{}", b'{"id":"x"}', "é".encode(), b"\xff"])
def test_what_cannot_be_read_goes_to_the_poison_queue_at_once(scene: Scene, body: bytes) -> None:
    dispatch(scene.app, body, 1)
    assert [text for text, _ in scene.poison.held] == [body.decode("utf-8", "replace")]


def test_a_message_about_nothing_that_was_accepted_ends_in_the_alert_log(scene: Scene) -> None:
    published(scene)
    message = decode(scene.queue.take()[0].encode())
    forged = message.model_copy(update={"event": None, "event_accepted_ms": message.event_accepted_ms + 1_000_000_000})
    dispatch(scene.app, encode(forged).encode(), 1)
    assert scene.receiver.posts == []
    scene.exhaust_next()
    [line] = scene.alerts()
    assert isinstance(line, Malformed)
    assert "no event with the key key-1" in line.reason


def test_a_delivery_of_a_week_that_was_dropped_makes_no_new_table(scene: Scene, calls: Calls) -> None:
    delivery_id = published(scene)
    service = scene.app.deliveries._services._tables_service
    for prefix in ("deliveries", "events", "failures"):
        service.delete_table(f"{prefix}20261116")
    scene.app.options.signature_key(scene.clock.now)
    calls.clear()
    scene.dispatch_next()
    assert len(scene.receiver.posts) == 1
    assert scene.app.deliveries.get(delivery_id) is None
    assert ("POST", "Tables") not in calls
    assert scene.queue.held == scene.poison.held == []
