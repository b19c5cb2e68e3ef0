"""The timer that has ordered deliveries go on: whose message is lost, and whose is merely held."""

import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from doubles.ordered_world import SETTINGS, START, Dead, World, an_event, dies
from doubles.virtual_host import DIGEST
from shared.delivery.publisher import publish
from shared.delivery.succession import BEHIND, HELD_FOR_LONG, OVERDUE, tend
from shared.delivery.transitions import unattempted
from shared.formats import FORMATS
from shared.model import Status
from shared.outbound.client import Response
from shared.storage.pages import Filters
from shared.storage.queues import DELIVERIES, POISON

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> World:
    return World()


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, caplog.messages) if line["event"] == event]


def test_it_calls_a_head_again_that_has_lost_its_message(world: World) -> None:
    """Its publisher died before it could put it."""
    world.register()
    world.publish("one")
    world.publish("two")
    world.account.queues[DELIVERIES].clear()
    world.now += OVERDUE - timedelta(seconds=1)
    tend(world.app)
    assert not world.queued()
    world.now += timedelta(seconds=2)
    tend(world.app)
    tend(world.app)
    assert [message.key for message in world.queued()] == ["one"]
    world.run()
    assert world.order == ["one", "two"]


def test_it_goes_on_after_one_that_has_ended(world: World) -> None:
    """Who ended it died before it could call the next, and its message did not come back."""
    world.register()
    world.publish("one")
    world.publish("two")
    dead = World(world.account, world.now)
    dead.app = replace(dead.app, sequences=cast(Any, Dead()))
    with pytest.raises(RuntimeError):
        dead.step()
    world.account.queues[DELIVERIES].clear()
    assert world.row("one").status == "delivered"
    world.now += OVERDUE + timedelta(seconds=1)
    tend(world.app)
    world.run()
    assert world.order == ["two"]


def test_it_says_of_who_is_to_be_attempted_again_that_others_wait(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.register(retry_delays=(timedelta(hours=2),))
    world.failing = {"one"}
    world.publish("one")
    world.publish("two")
    world.step()
    put = world.queued()
    world.now += OVERDUE + timedelta(seconds=1)
    tend(world.app)
    assert world.queued() == put
    lines = [line for line in map(json.loads, caplog.messages) if line["event"].startswith("sequence.")]
    assert [(line["event"], line["waiting"], line["seconds"]) for line in lines] == [("sequence.held", 1, 901)]
    calls = world.account.calls
    tend(world.app)
    assert world.account.calls == calls + 1, "it was looked at a moment ago"


def test_it_has_one_go_on_that_has_lost_the_message_of_its_next_attempt(world: World) -> None:
    world.register()
    world.failing = {"one"}
    world.publish("one")
    world.publish("two")
    world.step()
    world.account.queues[DELIVERIES].clear()
    world.now += SETTINGS.longest_delivery + OVERDUE * 2
    tend(world.app)
    world.run()
    assert world.order == ["one"] * 4 + ["two"]
    assert world.row("one").status == "failed"


def test_it_has_a_failure_told_of_that_nobody_lived_to_tell(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who recorded it died before it could put the poison message."""
    world.register(retry_delays=())
    world.failing = {"one"}
    world.publish("one")
    world.publish("two")
    with monkeypatch.context() as patched:
        patched.setattr("shared.delivery.recorder.follow_up", dies)
        with pytest.raises(RuntimeError):
            world.step()
    world.account.queues[DELIVERIES].clear()
    assert (world.row("one").status, world.queued(POISON)) == ("failed", [])
    world.now += OVERDUE + timedelta(seconds=1)
    tend(world.app)
    world.run()
    assert world.order == ["one", "two"]
    assert len(world.app.alerts.log(Filters(), world.now, 10).items) == 1


def test_it_drops_what_is_past_retention(world: World) -> None:
    world.register()
    world.publish("one")
    world.account.queues[DELIVERIES].clear()
    for name in list(world.account.tables):
        if name.startswith(("events", "deliveries")):
            world.account.tables[name].clear()
    world.now += OVERDUE + timedelta(seconds=1)
    tend(world.app)
    assert not world.queued()
    assert not world.sequences


def test_it_leaves_those_alone_who_are_about_to_call_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that was the first for hours has just ended: when the timer looks, the next is called in this moment."""
    world.register(retry_delays=(timedelta(hours=2),))
    world.answers["one"] = [Response(500, None, None)]
    world.publish("one")
    world.publish("two")
    world.step()
    with monkeypatch.context() as patched:
        patched.setattr("shared.delivery.succession._next", dies)
        with pytest.raises(RuntimeError):
            world.step()
    world.account.queues[DELIVERIES].clear()
    world.now += OVERDUE - MINUTE
    tend(world.app)
    assert not world.queued()
    world.now += MINUTE
    tend(world.app)
    world.run()
    assert world.order == ["one", "one", "two"]


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_it_has_those_behind_go_on_where_a_head_has_ended_without_an_attempt(world: World, status: Status) -> None:
    """Whose row was ended by hand after the queue was cleared, for one."""
    world.register()
    world.publish("one")
    world.publish("two")
    row = world.app.events.find("one", world.now)
    assert row is not None
    ended = unattempted(row, row.recipients[0]).model_copy(update={"status": status, "reason": "by hand"})
    world.app.deliveries.insert(world.id_of("one"), ended)
    world.account.queues[DELIVERIES].clear()
    world.now += OVERDUE + MINUTE
    tend(world.app)
    world.run()
    assert world.order == ["two"]
    assert world.row("one") == ended
    assert len(world.app.alerts.log(Filters(), world.now, 10).items) == (status == "failed")


@pytest.mark.parametrize("hold", [None, timedelta(minutes=5)])
def test_it_has_no_failure_told_of_twice(world: World, hold: timedelta | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first poison message is still in line. A receiver that asks for time moves the deadline."""
    world.register(retry_delays=(timedelta(seconds=30),))
    world.register("https://listener.example/hook", types=("webhook.delivery_failed",))
    world.failing = {"one"}
    world.answers["one"] = [Response(503, None, hold)]
    world.publish("one")
    world.publish("two")
    with monkeypatch.context() as patched:
        patched.setattr("shared.delivery.succession._next", dies)
        with pytest.raises(RuntimeError):
            world.run()
    world.account.queues[DELIVERIES].clear()
    in_line, world.account.queues[POISON] = world.account.queues[POISON], []
    world.now += OVERDUE + MINUTE
    tend(world.app)
    world.run()
    world.account.queues[POISON] += in_line
    world.now += HOUR
    world.run()
    assert len(world.app.alerts.log(Filters(), world.now, 10).items) == 1
    assert len([key for key in world.order if key.startswith("webhook:delivery_failed:")]) == 1


# Who is held is not lost


class NoSlots:
    """A bulkhead that has no slot for a while."""

    def __init__(self, world: World, until: timedelta) -> None:
        self._world, self._until = world, until

    @contextlib.asynccontextmanager
    async def slot(self, endpoint: str, taken_along: object = None) -> AsyncIterator[bool]:
        yield self._world.now - START >= self._until

    def record(self, endpoint: str, succeeded: bool) -> None:
        """It is the same to it."""


def _digest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "digest", replace(DIGEST, digest_every=lambda settings: HOUR))
    monkeypatch.setattr("shared.delivery.batches.GATHER_SECONDS", 0.0)
    world.register(format="digest")


def _asks_for_less(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.answers["one"] = [Response(429, None, HOUR)]
    world.register()


def _asks_for_less_after_a_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.answers["one"] = [Response(500, None, None), Response(429, None, HOUR)]
    world.register()


def _breaker(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.app.breaker, "wait_seconds", lambda endpoint, delivery, now: 600.0)
    world.register()


def _bulkhead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.app = replace(world.app, bulkhead=cast(Any, NoSlots(world, HOUR)))
    world.register()


def _pace(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.register(max_per_second=0.005)
    for number in range(10):
        world.publish(f"elsewhere-{number}", site=f"elsewhere-{number}")


Hold = Callable[[World, pytest.MonkeyPatch], None]


def run_with_the_timer(world: World) -> None:
    """Until both queues are empty; the timer comes each minute, and finds one message of each delivery at most."""
    next_look = world.now + MINUTE
    while world.queued() or world.queued(POISON):
        due_at = min(each.visible_at for name in (DELIVERIES, POISON) for each in world.account.queues.get(name, []))
        if due_at > next_look:
            world.now = max(world.now, next_look)
            tend(world.app)
            next_look += MINUTE
        else:
            world.step()
        of_each = Counter(message.delivery for message in (*world.queued(), *world.queued(POISON)))
        assert not of_each or max(of_each.values()) == 1


@pytest.mark.parametrize("hold", [_digest, _asks_for_less, _asks_for_less_after_a_failure, _breaker, _bulkhead, _pace])
def test_who_is_held_is_not_taken_for_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, hold: Hold
) -> None:
    hold(world, monkeypatch)
    world.publish("one")
    world.publish("two")
    run_with_the_timer(world)
    assert world.now - START > OVERDUE
    assert [key for key in world.order if key in ("one", "two")][-1] == "two"
    assert {world.row(key).status for key in ("one", "two")} == {"delivered"}
    assert not told(caplog, "sequence.resumed")
    assert {line["deliveryId"] for line in told(caplog, "sequence.held")} == {str(world.id_of("one"))}
    assert not world.sequences


def test_who_is_lost_while_it_is_held_is_found_after_that(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _asks_for_less(world, monkeypatch)
    world.publish("one")
    world.step()
    world.account.queues[DELIVERIES].clear()
    world.now += HOUR + OVERDUE - MINUTE
    tend(world.app)
    assert not world.queued()
    world.now += OVERDUE + MINUTE
    tend(world.app)
    assert [message.key for message in world.queued()] == ["one"]


def test_while_deliveries_are_paused_nobody_is_lost_nor_at_once_after_that(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.register()
    for number in range(3):
        world.publish(f"key-{number}", site=f"site-{number}")
    put = world.queued()
    while world.now < START + HOUR:
        world.now += MINUTE
        tend(world.app)
        assert world.queued() == put
    world.account.queues[DELIVERIES].clear()  # the dispatcher has them in hand
    tend(world.app)
    assert not world.queued()
    assert not told(caplog, "sequence.resumed")


def test_who_is_lost_is_found_though_others_have_just_become_due(world: World) -> None:
    world.register()
    world.publish("one")
    world.account.queues[DELIVERIES].clear()
    world.now += OVERDUE
    world.publish("elsewhere", site="b")
    world.now += BEHIND
    tend(world.app)
    assert [message.key for message in world.queued()] == ["elsewhere", "one"]


def test_what_there_is_no_time_for_is_left_to_the_next_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.delivery.succession.LONGEST_LOOK_SECONDS", 0.0)
    world.register()
    publish(world.app, [an_event(f"key-{number}", site=f"site-{number}") for number in range(5)])
    world.account.queues[DELIVERIES].clear()
    world.now += OVERDUE + MINUTE
    for run in range(1, 6):
        tend(world.app)
        assert len(world.queued()) == run
    tend(world.app)
    assert len({message.key for message in world.queued()}) == len(world.queued()) == 5


@pytest.mark.parametrize(("table", "column"), [("sequences", "Row"), ("events", "Row0")])
def test_a_row_that_cannot_be_read_keeps_no_other_sequence_waiting(
    world: World, caplog: pytest.LogCaptureFixture, table: str, column: str
) -> None:
    endpoint = world.register()
    for number in range(5):
        world.publish(f"key-{number}", site=f"site-{number}")
    world.account.queues[DELIVERIES].clear()
    rows = next(rows for name, rows in world.account.tables.items() if name.startswith(table))
    damaged = next(row for row, _ in rows.values() if column in row)
    damaged[column] = b"{}"
    world.now += OVERDUE + MINUTE
    tend(world.app)
    tend(world.app)
    assert len({message.key for message in world.queued()}) == len(world.queued()) == 4
    line = told(caplog, "sequence.unreadable")[0]
    assert line["endpointId"] == endpoint.id
    assert "Field required" in line["error"]


def calls_when_held(hold: timedelta, **given: Any) -> int:
    """Calls to storage of a delivery whose receiver asks for that before it takes it."""
    world = World()
    world.register(**given)
    world.publish("warm")
    world.run()
    world.answers["one"] = [Response(429, None, hold)]
    before = world.account.calls
    world.publish("one")
    world.run()
    return world.account.calls - before


def test_what_a_hold_costs() -> None:
    """docs/operations.md says so."""
    short, long = HELD_FOR_LONG - MINUTE, HOUR
    assert calls_when_held(short) == calls_when_held(short, ordered=False) + 3
    assert calls_when_held(long) == calls_when_held(long, ordered=False) + 5
