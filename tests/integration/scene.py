"""A deployment on a real storage account, with a receiver and a clock that tests move."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from doubles import registering
from doubles.running import dispatch, exhausted, open_until_the_end
from shared.app import App, Doors, build_on
from shared.delivery.publisher import Accepted, delivery_ids, publish
from shared.model import Delivery, DeliveryId, Endpoint, Event
from shared.outbound.addresses import AddressPolicy
from shared.outbound.client import NoResponse, Response, WebhookClient
from shared.settings import Settings
from shared.storage.alerts import Malformed
from shared.storage.clients import Services
from shared.storage.events import read_event_row
from shared.storage.loop_clients import LoopServices
from shared.storage.messages import Message, decode
from shared.storage.pages import Filters
from shared.storage.queues import DELIVERIES, POISON, Queue
from shared.storage.workspaces import PROVISIONING, PROVISIONING_POISON

THURSDAY = datetime(2026, 11, 19, 10, tzinfo=UTC)
"""Well inside a week, and more than DEDUPE_HOURS after its beginning."""

URL = "https://receiver.example/hook?code=hidden"
OK = Response(200, "fine", None)
BUSY = Response(500, "busy", None)


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by

    async def sleep(self, seconds: float) -> None:
        self.move(timedelta(seconds=seconds))


class HeldQueue(Queue):
    """A queue that keeps what is put on it, with its delay, where a test can take it."""

    def __init__(self, services: Services, name: str) -> None:
        super().__init__(services, name)
        self.held: list[tuple[str, timedelta]] = []

    def put(self, text: str, delay: timedelta = timedelta()) -> None:
        self.held.append((text, delay))

    def take(self) -> tuple[str, timedelta]:
        return self.held.pop(0)


class HeldServices(LoopServices):
    """Storage as the loop sees it, but that puts go to the queues of the scene."""

    def __init__(self, settings: Settings, *queues: HeldQueue) -> None:
        super().__init__(settings)
        self._held = {queue.name: queue for queue in queues}

    async def put(self, queue: str, text: str, delay: timedelta = timedelta()) -> None:
        self._held[queue].put(text, delay)


Post = Callable[[str, Mapping[str, str], bytes], Response | NoResponse]


@dataclass
class Receiver:
    """Answers each POST as the stand-in of its URL does, or as `by_url` says; else with the next of `answers`,
    from then on with the last. `before` is called before it answers."""

    answers: list[Response | NoResponse] = field(default_factory=lambda: [OK])
    by_url: dict[str, Response | NoResponse] = field(default_factory=dict)
    stand_ins: dict[str, Post] = field(default_factory=dict)
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def of(self, url: str) -> list[tuple[dict[str, str], bytes]]:
        """What came to one URL."""
        return [(headers, body) for posted_to, headers, body in self.posts if posted_to == url]

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response | NoResponse:
        self.posts.append((url, dict(headers), body))
        self.before()
        if url in self.stand_ins:
            return self.stand_ins[url](url, headers, body)
        if url in self.by_url:
            return self.by_url[url]
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class ScriptedClient(WebhookClient):
    """POSTs go to the scene's receiver, all else as ever."""

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        super().__init__(AddressPolicy(settings.allow_private_endpoints, settings.allowed_endpoint_hosts))
        self._receiver = receiver

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        spent: timedelta = timedelta(),
        within: timedelta | None = None,
    ) -> Response | NoResponse:
        return self._receiver.post(url, headers, body)


@dataclass
class Scene:
    app: App
    clock: Clock
    receiver: Receiver
    queue: HeldQueue
    poison: HeldQueue

    def register(self, url: str = URL, **given: Any) -> Endpoint:
        return registering.register(self.app.endpoints, url, self.clock.now, **given)

    def change(self, endpoint_id: str, **given: Any) -> Endpoint | None:
        return registering.modify(self.app.endpoints, endpoint_id, self.clock.now, **given)

    def publish(self, event: Event) -> Accepted:
        result = publish(self.app, [event])
        assert isinstance(result[0], Accepted)
        return result[0]

    def ids(self, event: Event) -> list[DeliveryId]:
        row = self.app.events.find(event.key, self.clock.now)
        assert row is not None
        return delivery_ids(row)

    def row(self, delivery_id: DeliveryId) -> Delivery:
        stored = self.app.deliveries.get(delivery_id)
        assert stored is not None, "there is no row yet"
        return stored.value

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
        return self.app.alerts.log(Filters(), self.clock.now, 500).items

    def events(self, prefix: str = "") -> list[Event]:
        """Every event kept whose type begins so."""
        rows = [
            read_event_row(entity).event
            for name in sorted(self.app.services.table_names())
            if name.startswith("events")
            for entity in self.app.services.table(name).query("RowKey eq @row", {"row": "event"})
        ]
        return [event for event in rows if event.type.startswith(prefix)]

    def elsewhere(self) -> "Scene":
        """Another instance of the same deployment: nothing in memory is shared, the queues and the world are."""
        return _scene(self.app.settings, self.clock, self.receiver, self.queue, self.poison)


def make_scene(settings: Settings) -> Scene:
    services = Services(settings)
    queue, poison = HeldQueue(services, DELIVERIES), HeldQueue(services, POISON)
    return _scene(settings, Clock(THURSDAY), Receiver(), queue, poison)


def _scene(settings: Settings, clock: Clock, receiver: Receiver, queue: HeldQueue, poison: HeldQueue) -> Scene:
    loop_services = HeldServices(settings, queue, poison)
    open_until_the_end(loop_services)
    services = Services(settings)
    doors = Doors(
        services=services,
        loop_services=loop_services,
        deliveries=queue,
        poison=poison,
        provisioning=HeldQueue(services, PROVISIONING),
        provisioning_poison=HeldQueue(services, PROVISIONING_POISON),
        client=ScriptedClient(settings, receiver),
        now=clock,
        seconds=lambda: clock.now.timestamp(),
        sleep=clock.sleep,
        later=lambda seconds, work: None,
    )
    return Scene(build_on(doors, settings), clock, receiver, queue, poison)


def an_event(key: str = "key-1", **changes: Any) -> Event:
    values: dict[str, Any] = {
        "type": "custom.test",
        "content": '{"a":1}',
        "time_stamp": "2026-11-19T10:00:00Z",
        "key": key,
        "severity": "low",
    }
    return Event(**(values | changes))
