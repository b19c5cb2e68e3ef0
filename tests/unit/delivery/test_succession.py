"""Ordered endpoints, on storage in memory: who waits for whom, for how long, and what it costs."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet

from doubles import registering
from doubles.running import dispatch, exhausted
from doubles.storage_account import Account, Queued, app_on
from shared.admin.erasure import erase
from shared.admin.retry import Refusal, retry
from shared.app import App
from shared.delivery.publisher import delivery_ids, publish
from shared.delivery.succession import LONGEST_WAIT, OVERDUE, WAITS, tend
from shared.model import Delivery, DeliveryId, Endpoint, Event
from shared.model.json_text import dump
from shared.outbound.client import NoResponse, Response
from shared.settings import read_settings
from shared.storage.messages import Message, decode
from shared.storage.pages import Filters
from shared.storage.queues import DELIVERIES, POISON

START = datetime(2026, 11, 19, 10, tzinfo=UTC)
URL = "https://receiver.example/hook"
SETTINGS = read_settings(
    {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
)
SCHEDULE = sum(SETTINGS.retry_delays, timedelta())


@dataclass
class World:
    """One instance, its receiver and its clock."""

    account: Account = field(default_factory=Account)
    now: datetime = START
    posts: list[tuple[str, datetime]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    """Keys of events that the receiver does not take."""

    def __post_init__(self) -> None:
        self.app: App = app_on(self.account, SETTINGS, self._post, lambda: self.now, pass_time=self._pass)

    def _pass(self, by: timedelta) -> None:
        self.now += by

    def _post(self, url: str, headers: Any, body: bytes, spent: timedelta) -> Response | NoResponse:
        self.posts.append((headers["webhook-id"], self.now))
        return Response(500 if headers["webhook-id"] in self.failing else 200, None, None)

    @property
    def order(self) -> list[str]:
        return [key for key, _ in self.posts]

    def register(self, url: str = URL, **given: Any) -> Endpoint:
        return registering.register(self.app.endpoints, url, self.now, **({"ordered": True} | given))

    def publish(self, key: str, site: str = "a") -> None:
        publish(self.app, [an_event(key, site)])

    def queued(self, name: str = DELIVERIES) -> list[Message]:
        return [decode(each.text.encode()) for each in self.account.queues.get(name, [])]

    def id_of(self, key: str) -> DeliveryId:
        row = self.app.events.find(key, self.now)
        assert row is not None
        return delivery_ids(row)[0]

    def row(self, key: str) -> Delivery:
        stored = self.app.deliveries.get(self.id_of(key))
        assert stored is not None, f"{key} has no row"
        return stored.value

    def step(self) -> None:
        """Handles the message that is due first."""
        poison = self.account.queues.setdefault(POISON, [])
        deliveries = self.account.queues.setdefault(DELIVERIES, [])
        due: Callable[[Queued], datetime] = lambda each: each.visible_at  # noqa: E731
        message = min([*poison, *deliveries], key=due)
        self.now = max(self.now, message.visible_at)
        if message in poison:
            exhausted(self.app, message.text.encode(), self.now)
            poison.remove(message)
        else:
            dispatch(self.app, message.text.encode(), 1)
            deliveries.remove(message)

    def run(self) -> None:
        """Until both queues are empty."""
        while self.account.queues.get(DELIVERIES) or self.account.queues.get(POISON):
            self.step()

    @property
    def sequences(self) -> int:
        return len(self.account.tables.get("sequences", {}))


def an_event(key: str, site: str = "a") -> Event:
    return Event(
        type="custom.test",
        content=dump({"siteUrl": f"https://contoso.example/sites/{site}"}),
        time_stamp="2026-11-19T10:00:00Z",
        key=key,
        severity="low",
    )


@pytest.fixture
def world() -> World:
    return World()


def test_only_the_first_of_a_subject_has_a_message_and_the_others_say_that_they_wait(world: World) -> None:
    world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    world.publish("elsewhere", site="b")
    assert [message.key for message in world.queued()] == ["one", "elsewhere"]
    waiting = world.row("two")
    assert (waiting.status, waiting.reason, waiting.attempts) == ("pending", WAITS, ())
    world.run()
    assert world.order == ["one", "two", "three", "elsewhere"]
    assert {world.row(key).status for key in ("one", "two", "three", "elsewhere")} == {"delivered"}
    assert world.row("two").reason is None
    assert not world.sequences


def test_an_array_is_in_the_order_in_which_it_was_written(world: World) -> None:
    world.register()
    keys = [f"key-{number}" for number in range(20)]
    publish(world.app, [an_event(key) for key in keys])
    world.run()
    assert world.order == keys


def test_a_clock_that_goes_back_changes_no_order(world: World) -> None:
    """As when the next event is accepted by an instance whose clock is behind."""
    world.register()
    world.publish("one")
    world.now -= timedelta(seconds=5)
    world.publish("two")
    world.now -= timedelta(seconds=5)
    world.publish("three")
    world.now = START
    world.run()
    assert world.order == ["one", "two", "three"]


def test_who_fails_holds_the_others_for_its_schedule_and_no_longer(world: World) -> None:
    world.register()
    world.failing = {"one"}
    world.publish("one")
    world.publish("two")
    world.publish("elsewhere", site="b")
    world.run()
    assert world.order == ["one", "elsewhere", "one", "one", "one", "two"]
    held = world.posts[-1][1] - START
    assert SCHEDULE <= held <= SCHEDULE * 1.1 + timedelta(seconds=1)
    assert world.row("one").status == "failed"
    assert [line[0] for line in world.app.alerts.log(Filters(), world.now, 10).items] == [world.id_of("one")]  # type: ignore[index]


def test_the_time_of_one_that_waited_counts_from_its_turn(world: World) -> None:
    world.register()
    world.failing = {"one", "two"}
    world.publish("one")
    world.publish("two")
    while not (called := [message for message in world.queued() if message.key == "two"]):
        world.step()
    late = called[0].deadline_at - world.now - SETTINGS.longest_delivery
    assert abs(late) < timedelta(milliseconds=1)


def test_after_a_day_it_is_given_up_unsent(world: World) -> None:
    world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    world.now += LONGEST_WAIT + timedelta(seconds=1)
    world.publish("new")
    world.run()
    assert world.order == ["one", "new"]
    for key in ("two", "three"):
        assert world.row(key).status == "failed"
        assert world.row(key).reason == "it waited 24 hours for earlier deliveries of its subject"
    assert len(world.app.alerts.log(Filters(), world.now, 10).items) == 2
    assert not world.sequences


def test_there_is_an_end_to_how_many_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.storage.sequences.MOST_IN_ONE", 2)
    world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    world.run()
    assert world.order == ["one", "two"]
    assert world.row("three").status == "failed"
    assert world.row("three").reason == "1000 deliveries of its subject wait already"


def test_turned_off_what_waits_keeps_its_order_and_new_events_go_at_once(world: World) -> None:
    endpoint = world.register()
    world.failing = {"one"}
    world.publish("one")
    world.publish("two")
    registering.modify(world.app.endpoints, endpoint.id, world.now, ordered=False)
    world.publish("three")
    world.run()
    assert world.order == ["one", "three", "one", "one", "one", "two"]
    assert not world.row("three").sequence


def test_turned_on_nobody_waits_for_what_was_accepted_before(world: World) -> None:
    endpoint = world.register(ordered=False)
    world.failing = {"one", "two"}
    world.publish("one")
    registering.modify(world.app.endpoints, endpoint.id, world.now, ordered=True)
    world.publish("two")
    world.publish("three")
    world.run()
    assert world.order[:2] == ["one", "two"]
    assert [key for key in world.order if key != "one"] == ["two"] * 4 + ["three"]


def test_a_deleted_endpoint_leaves_nobody_waiting(world: World) -> None:
    endpoint = world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    world.app.endpoints.delete(endpoint.id)
    world.run()
    assert not world.posts
    assert {world.row(key).status for key in ("one", "two", "three")} == {"cancelled"}
    assert not world.sequences


def test_registered_again_nobody_waits_for_what_was_before(world: World) -> None:
    endpoint = world.register()
    world.failing = {"one"}
    world.publish("one")
    world.step()
    world.publish("two")
    world.app.endpoints.delete(endpoint.id)
    world.now += timedelta(seconds=1)
    world.register()
    world.publish("three")
    world.run()
    assert world.order == ["one", "three"]
    assert world.row("two").status == "cancelled"
    assert not world.sequences


def test_an_erased_event_is_passed_over(world: World) -> None:
    world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    row = world.app.events.find("two", world.now)
    assert row is not None
    erase(world.app, row)
    world.run()
    assert world.order == ["one", "three"]
    assert world.row("two").status == "cancelled"


def test_who_is_erased_between_two_attempts_makes_room(world: World) -> None:
    world.register()
    world.failing = {"one"}
    world.publish("one")
    world.publish("two")
    world.step()
    row = world.app.events.find("one", world.now)
    assert row is not None
    erase(world.app, row)
    world.run()
    assert world.order == ["one", "two"]
    assert not world.sequences


def test_a_retry_waits_for_nobody(world: World) -> None:
    world.register()
    world.failing = {"one"}
    world.publish("one")
    world.run()
    world.publish("two")
    assert retry(world.app, world.id_of("one"), world.row("one")) is None
    assert [message.sequence for message in world.queued() if message.key == "one"] == [""]
    world.run()
    assert world.order == ["one"] * 4 + ["two"] + ["one"] * 4
    assert world.row("one").status == "failed"
    assert not world.sequences


def test_one_that_waits_is_not_retried(world: World) -> None:
    world.register()
    world.publish("one")
    world.publish("two")
    refused = retry(world.app, world.id_of("two"), world.row("two"))
    assert isinstance(refused, Refusal)
    assert refused.kind == "It is still on its way"


def test_publishing_again_puts_no_second_message_of_one_that_waits(world: World) -> None:
    world.register()
    for key in ("one", "two", "two"):
        world.publish(key)
    assert [message.key for message in world.queued()] == ["one"]
    world.run()
    world.publish("two")
    world.run()
    assert world.order == ["one", "two"]
    assert not world.sequences


class TestTheTimer:
    def test_calls_a_head_again_that_has_lost_its_message(self, world: World) -> None:
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

    def test_goes_on_after_one_that_has_ended(self, world: World) -> None:
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

    def test_leaves_alone_who_is_to_be_attempted_again(self, world: World) -> None:
        world.register(retry_delays=(timedelta(hours=2),))
        world.failing = {"one"}
        world.publish("one")
        world.publish("two")
        world.step()
        put = world.queued()
        world.now += OVERDUE + timedelta(seconds=1)
        tend(world.app)
        assert world.queued() == put
        calls = world.account.calls
        tend(world.app)
        assert world.account.calls == calls + 1, "it was looked at a moment ago"

    def test_has_one_go_on_that_has_lost_the_message_of_its_next_attempt(self, world: World) -> None:
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

    def test_has_a_failure_told_of_that_nobody_lived_to_tell(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
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

    def test_drops_what_is_past_retention(self, world: World) -> None:
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


def dies(*given: Any) -> Any:
    """Where a process ends."""
    raise RuntimeError("dead")


class Dead:
    """A store that a process does not live to use."""

    def __getattr__(self, name: str) -> Any:
        return dies


def calls_of(keys: list[str], **given: Any) -> int:
    """Calls to storage of publishing and delivering events of one subject, once all tables are there."""
    world = World()
    world.register(**given)
    world.publish("warm")
    world.publish("up")
    world.run()
    before = world.account.calls
    for key in keys:
        world.publish(key)
    world.run()
    return world.account.calls - before


def test_what_it_costs() -> None:
    """docs/operations.md says so."""
    without = calls_of(["one"], ordered=False)
    assert calls_of(["one"]) == without + 3
    assert calls_of(["one", "two"]) - calls_of(["one"]) == without + 7
    assert calls_of(["one", "two", "three"]) - calls_of(["one", "two"]) == without + 7


def test_an_endpoint_that_is_not_ordered_never_asks(world: World) -> None:
    world.app = replace(world.app, sequences=cast(Any, Dead()))
    world.register(ordered=False)
    world.publish("one")
    world.publish("two")
    world.run()
    assert world.order == ["one", "two"]
