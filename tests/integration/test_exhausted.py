"""What reached the poison queue, whoever put it there."""

import json
from datetime import timedelta
from typing import Any

import pytest

from doubles.running import dispatch, exhausted
from shared.model import Delivery, DeliveryId, to_ms
from shared.storage.alerts import Malformed
from shared.storage.messages import decode

from .scene import BUSY, THURSDAY, Scene, an_event


def failed_delivery(scene: Scene) -> DeliveryId:
    scene.receiver.answers = [BUSY]
    scene.register()
    scene.publish(an_event())
    scene.run()
    return scene.ids(an_event())[0]


def lines(scene: Scene) -> list[tuple[DeliveryId, Delivery]]:
    found = [line for line in scene.alerts() if not isinstance(line, Malformed)]
    assert len(found) == len(scene.alerts())
    return found


def test_an_exhausted_delivery_is_in_the_alert_log_and_its_endpoint_failing(scene: Scene) -> None:
    delivery_id = failed_delivery(scene)
    assert lines(scene) == [(delivery_id, scene.row(delivery_id))]
    endpoint = scene.app.endpoints.get(delivery_id.endpoint)
    assert endpoint is not None
    assert endpoint.health.state == "failing"
    assert endpoint.health.first_failure_at == scene.row(delivery_id).attempts[-1].started_at
    assert endpoint.health.last_error == "the receiver answered 500"


def test_every_step_can_be_repeated(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    scene.register()
    scene.publish(an_event())
    while scene.queue.held:
        scene.dispatch_next()
    text, _ = scene.poison.take()
    for _ in range(3):
        exhausted(scene.app, text.encode(), THURSDAY)
    assert len(lines(scene)) == 1
    assert scene.queue.held == scene.poison.held == []


def test_a_message_that_crashed_the_dispatcher_ten_times_is_failed(scene: Scene) -> None:
    scene.register()
    scene.publish(an_event())
    text, _ = scene.queue.take()
    exhausted(scene.app, text.encode(), THURSDAY)
    [(delivery_id, delivery)] = lines(scene)
    assert delivery_id == scene.ids(an_event())[0]
    assert (delivery.status, delivery.attempts) == ("failed", ())
    assert "until the queue gave up" in str(delivery.reason)


def test_a_poison_copy_of_a_delivered_delivery_changes_nothing(scene: Scene) -> None:
    scene.register()
    scene.publish(an_event())
    text = scene.queue.held[0][0]
    scene.dispatch_next()
    before = scene.row(scene.ids(an_event())[0])
    exhausted(scene.app, text.encode(), THURSDAY)
    assert scene.row(scene.ids(an_event())[0]) == before
    assert scene.alerts() == []
    assert scene.queue.held == []


def test_a_poison_copy_whose_attempt_was_recorded_goes_on_with_the_next_one(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    scene.register()
    scene.publish(an_event())
    text = scene.queue.held[0][0]
    scene.dispatch_next()
    scene.queue.held.clear()  # the crash came before the put
    exhausted(scene.elsewhere().app, text.encode(), THURSDAY)
    assert [decode(text.encode()).attempt for text, _ in scene.queue.held] == [2]
    assert scene.alerts() == []


@pytest.mark.parametrize(
    "body", [b"not json", b'{"id":1,"dequeueCount":"abc"}', b"\xff\x00", "é".encode() * 20_000, b""]
)
def test_what_cannot_be_read_is_kept_verbatim_once(scene: Scene, body: bytes) -> None:
    for _ in range(2):
        exhausted(scene.app, body, THURSDAY)
    [line] = scene.alerts()
    assert isinstance(line, Malformed)
    assert line.message == body.decode(errors="replace")
    assert line.reason.startswith("not a delivery message")
    assert scene.app.alerts.malformed(line.id) == line
    assert scene.app.alerts.malformed(line.id.lower()) == line


@pytest.mark.parametrize("claimed", [None, THURSDAY - timedelta(days=30), THURSDAY + timedelta(days=1)])
def test_a_time_that_cannot_be_true_is_replaced_by_now(scene: Scene, claimed: object) -> None:
    exhausted(scene.app, b"x", claimed)  # type: ignore[arg-type]
    [line] = scene.alerts()
    assert isinstance(line, Malformed)
    assert line.id.startswith(f"{int(THURSDAY.timestamp() * 1000):012X}-")


# Hostile messages: whoever may write to the queue may write anything


MADE = {"number": 1, "startedAt": "2026-11-19T10:00:00Z", "durationMs": 5, "status": 500, "token": "t"}
FAR_AWAY = f"{2**47 - 1:012X}"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"made": MADE | {"startedAt": "9999-12-31T23:59:59Z"}}, id="a start in year 9999"),
        pytest.param({"made": MADE, "roundStart": 2}, id="a round after the attempt"),
        pytest.param({"made": MADE | {"error": "x" * 40_000}}, id="a huge error"),
        pytest.param({"made": MADE | {"response": "x" * 40_000}}, id="a huge answer"),
        pytest.param({"made": MADE | {"durationMs": 10**30}}, id="a duration of ages"),
        pytest.param({"made": MADE, "eventMs": to_ms(THURSDAY) + 1_000_000_000}, id="an event of another week"),
        pytest.param({"made": MADE, "eventMs": 2**47 - 1}, id="an event of another age"),
        pytest.param({"eventMs": 0}, id="an event of 1970"),
        pytest.param({"delivery": "another endpoint"}, id="an endpoint it was not for"),
        pytest.param({"delivery": "another endpoint", "made": MADE}, id="an attempt at an endpoint it was not for"),
        pytest.param({"delivery": "far away", "attempt": 2}, id="a second attempt of another age"),
    ],
)
def test_a_hostile_message_ends_in_the_alert_log_and_nowhere_else(scene: Scene, changes: dict[str, Any]) -> None:
    scene.register()
    scene.publish(an_event())
    values = json.loads(scene.queue.take()[0])
    real: str = values["delivery"]
    ids = {"another endpoint": real[:40] + "A" * 26, "far away": FAR_AWAY + real[12:]}
    body = json.dumps(values | {"event": None} | changes | {"delivery": ids.get(changes.get("delivery", ""), real)})
    before = set(scene.app.services.table_names())
    for _ in range(2):
        exhausted(scene.app, body.encode(), THURSDAY)
    [line] = scene.alerts()
    assert isinstance(line, Malformed)
    assert line.message == body
    assert line.reason
    assert scene.app.deliveries.get(scene.ids(an_event())[0]) is None
    assert scene.queue.held == []
    assert scene.receiver.posts == []
    assert set(scene.app.services.table_names()) == before


def test_a_forged_attempt_of_another_age_leaves_a_log_line_and_nothing_else(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.register()
    scene.publish(an_event())
    values = json.loads(scene.queue.take()[0])
    forged = values | {"event": None, "made": MADE, "delivery": FAR_AWAY + values["delivery"][12:]}
    before = set(scene.app.services.table_names())
    exhausted(scene.app, json.dumps(forged).encode(), THURSDAY)
    assert '"delivery.dropped"' in caplog.text
    assert scene.queue.held == []
    assert scene.alerts() == []
    assert set(scene.app.services.table_names()) == before


def test_the_dispatcher_records_no_forged_attempt_of_an_unknown_event(scene: Scene) -> None:
    scene.register()
    scene.publish(an_event())
    message = decode(scene.queue.take()[0].encode())
    values = {
        "delivery": f"{to_ms(THURSDAY) + 5:012X}{message.delivery[12:]}",
        "eventMs": message.event_accepted_ms + 10**9,
    }
    body = message.model_dump_json(by_alias=True, exclude_none=True, exclude={"event"})
    forged = json.dumps(json.loads(body) | values | {"made": MADE})
    dispatch(scene.app, forged.encode(), 1)
    assert [text for text, _ in scene.poison.held] == [forged]
    assert scene.queue.held == []
    assert scene.app.deliveries.get(decode(forged.encode()).delivery_id) is None
