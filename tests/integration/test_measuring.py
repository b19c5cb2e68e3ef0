"""`queue.measured`: what to alert on."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NoReturn, cast

import pytest

from doubles.running import open_until_the_end
from shared.app import App, build
from shared.delivery.queue_metrics import measure
from shared.settings import Settings
from shared.storage.clients import Services, StorageUnavailable
from shared.storage.loop_clients import LoopServices
from shared.storage.messages import decode, encode
from shared.storage.queues import Queue

from .scene import Scene, an_event


@pytest.fixture
def real(settings: Settings, scene: Scene) -> App:
    """The app with its own queues, on the scene's clock."""
    app = replace(build(settings), now=scene.clock)
    open_until_the_end(cast(LoopServices, app.sender))
    return app


def measured(app: App, caplog: pytest.LogCaptureFixture) -> dict[str, dict[str, Any]]:
    caplog.set_level("INFO", "tenant_hooks")
    caplog.clear()
    measure(app)
    lines = [json.loads(record.message) for record in caplog.records]
    assert {line.pop("event") for line in lines} == {"queue.measured"}
    return {line.pop("queue"): line for line in lines}


def a_message(scene: Scene, due_at: datetime) -> str:
    if not scene.app.endpoints.all():
        scene.register()
    scene.publish(an_event(f"key-{len(scene.queue.held)}"))
    return encode(decode(scene.queue.held[-1][0].encode()).model_copy(update={"due_at": due_at}))


def inserted_at(queue: Queue) -> datetime:
    first = queue.peek()
    assert first is not None
    assert first[1] is not None
    return first[1]


def test_queues_that_are_empty_or_not_there_are_measured_too(real: App, caplog: pytest.LogCaptureFixture) -> None:
    empty = {"length": 0, "oldestSeconds": 0}
    queues = ("deliveries", "deliveries-poison", "provisioning", "provisioning-poison")
    assert measured(real, caplog) == dict.fromkeys(queues, empty)


def test_the_length_counts_hidden_messages_and_the_age_does_not(
    real: App, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        real.queue.raw.put(a_message(scene, scene.clock.now), timedelta(minutes=10))
    assert measured(real, caplog)["deliveries"] == {"length": 3, "oldestSeconds": 0}


def test_the_age_is_for_how_long_the_first_in_line_has_been_due(
    real: App, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Whenever it was put: a retry that has just become visible is not late."""
    real.queue.raw.put(a_message(scene, scene.clock.now + timedelta(seconds=600)))
    scene.clock.move(timedelta(seconds=590))
    assert measured(real, caplog)["deliveries"] == {"length": 1, "oldestSeconds": 0}
    scene.clock.move(timedelta(seconds=100))
    assert measured(real, caplog)["deliveries"] == {"length": 1, "oldestSeconds": 90}


def test_what_is_no_message_of_ours_is_as_old_as_it_lies_there(
    real: App, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    real.poison.put("nonsense")
    scene.clock.now = inserted_at(real.poison) + timedelta(seconds=42)
    assert measured(real, caplog)["deliveries-poison"] == {"length": 1, "oldestSeconds": 42}


REFUSED = "peeking into deliveries-poison: storage answered 403 (AuthorizationPermissionMismatch)"


class Unreadable(Queue):
    """A queue on which the app has no role."""

    def peek(self) -> NoReturn:
        raise StorageUnavailable(REFUSED)


def test_a_queue_that_cannot_be_read_keeps_no_other_from_being_measured(
    real: App, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    broken = replace(real, poison=Unreadable(Services(settings), "deliveries-poison"))
    caplog.set_level("INFO", "tenant_hooks")
    measure(broken)
    lines = [json.loads(record.message) for record in caplog.records]
    assert {"event": "queue.unmeasured", "queue": "deliveries-poison", "reason": REFUSED} in lines
    told = [line["queue"] for line in lines if line["event"] == "queue.measured"]
    assert told == ["deliveries", "provisioning", "provisioning-poison"]
