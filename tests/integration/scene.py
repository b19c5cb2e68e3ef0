"""A deployment on a real storage account, with a receiver and a clock that tests move."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.app import App, build
from shared.delivery.dispatcher import dispatch
from shared.delivery.poison import exhausted
from shared.delivery.publisher import Accepted, delivery_ids, publish
from shared.model import Delivery, DeliveryId, Endpoint, Event
from shared.outbound.client import Answer, NoResponse
from shared.outbound.signing import make_secret
from shared.settings import Settings
from shared.storage import chunks
from shared.storage.clients import Services
from shared.storage.deliveries import Filters, Malformed
from shared.storage.events import EventRow
from shared.storage.messages import Message, decode
from shared.storage.queues import Queue

THURSDAY = datetime(2026, 11, 19, 10, tzinfo=UTC)
"""Well inside a week, and more than DEDUPE_HOURS after its beginning."""

URL = "https://receiver.example/hook?code=hidden"
OK = Answer(200, "fine", None)
BUSY = Answer(500, "busy", None)


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


class HeldQueue(Queue):
    """A queue that keeps what is put on it, with its delay, where a test can take it."""

    def __init__(self, services: Services, name: str) -> None:
        super().__init__(services, name)
        self.held: list[tuple[str, timedelta]] = []

    def put(self, text: str, delay: timedelta = timedelta()) -> None:
        self.held.append((text, delay))

    def take(self) -> tuple[str, timedelta]:
        return self.held.pop(0)


@dataclass
class Receiver:
    """Answers each POST as `by_url` says; else with the next of `answers`, from then on with the last."""

    answers: list[Answer | NoResponse] = field(default_factory=lambda: [OK])
    by_url: dict[str, Answer | NoResponse] = field(default_factory=dict)
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def of(self, url: str) -> list[tuple[dict[str, str], bytes]]:
        """What came to one URL."""
        return [(headers, body) for posted_to, headers, body in self.posts if posted_to == url]

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes, spent: timedelta = timedelta()
    ) -> Answer | NoResponse:
        self.posts.append((url, dict(headers), body))
        if url in self.by_url:
            return self.by_url[url]
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Scene:
    app: App
    clock: Clock
    receiver: Receiver
    queue: HeldQueue
    poison: HeldQueue

    def register(self, url: str = URL, **given: Any) -> Endpoint:
        return self.app.endpoints.register(url, make_secret(), {"types": ("*",)} | given, self.clock.now)[0]

    def publish(self, event: Event) -> Accepted:
        result = publish(self.app, [event])
        assert isinstance(result, list)
        assert isinstance(result[0], Accepted)
        return result[0]

    def ids(self, event: Event) -> list[DeliveryId]:
        row = self.app.events.find(event.key, self.clock.now)
        assert row is not None
        return delivery_ids(row)

    def row(self, delivery_id: DeliveryId) -> Delivery:
        known = self.app.deliveries.get(delivery_id)
        assert known is not None, "there is no row yet"
        return known[0]

    def dispatch_next(self, dequeue_count: int = 1) -> timedelta:
        """Lets the next message become visible and dispatches it; answers how long it was hidden."""
        text, delay = self.queue.take()
        self.clock.move(delay)
        dispatch(self.app, text.encode(), dequeue_count)
        return delay

    def dispatch_earliest(self) -> Message:
        """As dispatch_next, of the message that is due first whenever it was put; answers it."""
        held = [(decode(text.encode()), text) for text, _ in self.queue.held]
        at = min(range(len(held)), key=lambda each: held[each][0].due_at)
        message, text = held[at]
        del self.queue.held[at]
        self.clock.now = max(self.clock.now, message.due_at)
        dispatch(self.app, text.encode(), 1)
        return message

    def run_in_order(self, on: Callable[[], bool] = lambda: True) -> None:
        """In the order of time, while `on` and until both queues are empty."""
        while (self.queue.held or self.poison.held) and on():
            if self.poison.held:
                self.exhaust_next()
            else:
                self.dispatch_earliest()

    def exhaust_next(self) -> None:
        exhausted(self.app, self.poison.take()[0].encode(), self.clock.now)

    def run(self) -> None:
        """Until both queues are empty."""
        while self.queue.held or self.poison.held:
            if self.queue.held:
                self.dispatch_next()
            else:
                self.exhaust_next()

    def alerts(self) -> list[tuple[DeliveryId, Delivery] | Malformed]:
        return self.app.deliveries.alerts(Filters(), self.clock.now, 500).items

    def events(self, prefix: str = "") -> list[Event]:
        """Every event kept whose type begins so."""
        rows = [
            EventRow.model_validate_json(chunks.join("Row", entity)).event
            for name in sorted(self.app.services.table_names())
            if name.startswith("events")
            for entity in self.app.services.table(name).query("RowKey eq @row", {"row": "event"})
        ]
        return [event for event in rows if event.type.startswith(prefix)]

    def elsewhere(self) -> "Scene":
        """Another instance of the same deployment: nothing in memory is shared, the queues and the world are."""
        scene = make_scene(self.app.settings)
        app = replace(scene.app, post=self.receiver.post, now=self.clock, queue=self.queue, poison=self.poison)
        return Scene(app, self.clock, self.receiver, self.queue, self.poison)


def make_scene(settings: Settings) -> Scene:
    clock, receiver, services = Clock(THURSDAY), Receiver(), Services(settings)
    queue, poison = HeldQueue(services, "deliveries"), HeldQueue(services, "deliveries-poison")
    app = replace(build(settings), post=receiver.post, now=clock, queue=queue, poison=poison)
    return Scene(app, clock, receiver, queue, poison)


def an_event(key: str = "key-1", **changes: Any) -> Event:
    values: dict[str, Any] = {
        "type": "custom.test",
        "content": '{"a":1}',
        "time_stamp": "2026-11-19T10:00:00Z",
        "key": key,
        "severity": "low",
    }
    return Event(**(values | changes))
