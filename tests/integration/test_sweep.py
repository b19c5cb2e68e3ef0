"""What the trigger of the poison queue cannot take, on real queues."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from doubles.running import open_until_the_end, sweep
from shared.app import App, build
from shared.delivery import poison as exhausted_module
from shared.settings import Settings
from shared.storage.alerts import Malformed
from shared.storage.clients import StorageUnavailable
from shared.storage.loop_clients import LoopServices
from shared.storage.messages import Message, decode

from .scene import Scene, an_event

NO_TIME = timedelta(0)


@pytest.fixture
def real(scene: Scene, settings: Settings) -> App:
    """The app with its own queues, on the scene's clock."""
    app = replace(build(settings), now=scene.clock)
    open_until_the_end(cast(LoopServices, app.sender))
    return app


def test_a_sweep_of_nothing_takes_nothing(real: App) -> None:
    assert sweep(real, NO_TIME) == 0


def test_a_sweep_takes_what_the_trigger_cannot_and_deletes_it_after_the_write(real: App, scene: Scene) -> None:
    real.poison.put('{"id":"x","dequeueCount":"abc"}')
    real.poison.put("another")
    assert sweep(real, NO_TIME) == 2
    assert real.poison.length() == 0
    assert {line.message for line in scene.alerts() if isinstance(line, Malformed)} == {
        '{"id":"x","dequeueCount":"abc"}',
        "another",
    }


def test_a_sweep_that_cannot_write_deletes_nothing(real: App, monkeypatch: pytest.MonkeyPatch) -> None:
    real.poison.put("x")

    def fail(*given: object) -> str:
        raise RuntimeError("killed")

    monkeypatch.setattr(real.alerts, "write_malformed", fail)
    with pytest.raises(RuntimeError, match="killed"):
        sweep(real, NO_TIME)
    assert real.poison.length() == 1


def test_a_message_that_cannot_be_handled_is_kept_and_stops_no_other(
    real: App, scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(body: bytes) -> Message:
        if body == b"a stone":
            raise OverflowError("date value out of range")
        return decode(body)

    monkeypatch.setattr(exhausted_module, "decode", stumble)
    for text in ("before", "a stone", "after"):
        real.poison.put(text)
    assert sweep(real, NO_TIME) == 3
    assert real.poison.length() == 0
    found = {line.message: line.reason for line in scene.alerts() if isinstance(line, Malformed)}
    assert found.keys() == {"before", "a stone", "after"}
    assert found["a stone"] == "it cannot be handled (OverflowError)"
    assert "poison.unhandled" in caplog.text


def test_storage_that_fails_ends_a_sweep_with_the_message_still_there(
    real: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    real.poison.put("x")

    def fail(*given: object) -> str:
        raise StorageUnavailable("no")

    monkeypatch.setattr(real.alerts, "write_malformed", fail)
    with pytest.raises(StorageUnavailable):
        sweep(real, NO_TIME)
    assert real.poison.length() == 1


def test_a_forged_attempt_of_the_far_future_stops_no_other(real: App, scene: Scene) -> None:
    scene.register()
    scene.publish(an_event())
    values = json.loads(scene.queue.take()[0])
    made = {"number": 1, "startedAt": "5999-01-01T00:00:00Z", "durationMs": 5, "status": 500, "token": "t"}
    real.poison.put(json.dumps(values | {"made": made, "event": None}))
    real.poison.put("another")
    assert sweep(real, NO_TIME) == 2


def test_a_sweep_that_ends_before_it_deletes_leaves_one_line(
    real: App, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure's host ends in the middle of a timer's run when it cannot renew the timer's lock. The next run takes the
    message again."""
    real.poison.put("taken twice")
    monkeypatch.setattr(exhausted_module, "_SWEEP_HIDES", timedelta(seconds=1))
    with monkeypatch.context() as ending:

        def end(*given: object) -> None:
            raise RuntimeError("the host ended")

        ending.setattr(real.poison, "delete", end)
        with pytest.raises(RuntimeError, match="the host ended"):
            sweep(real, NO_TIME)
    assert sweep(real, timedelta(seconds=20)) == 1
    assert real.poison.length() == 0
    assert [line.message for line in scene.alerts() if isinstance(line, Malformed)] == ["taken twice"]
