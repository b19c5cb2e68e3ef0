"""The app's own publishing and dispatching on an account in memory, with a host and receivers in virtual time."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

from doubles import registering
from doubles.delivering import deliveries_of
from doubles.samples import NOW, URL
from doubles.simulated_dispatch import BATCH, IN_HAND, STORAGE_SECONDS
from doubles.simulated_host import BACK_AFTER_FAILURE, LEASE, MOST_DEQUEUES, SETTINGS
from doubles.simulated_storage import FixedOptions
from doubles.storage_account import Account, Queued, app_on
from shared.app import App
from shared.delivery.dispatcher import dispatch
from shared.delivery.poison import exhausted
from shared.delivery.publisher import publish
from shared.formats import Body, Format
from shared.model import Delivery, Endpoint, Event
from shared.outbound.bulkhead import Bulkhead
from shared.outbound.client import NoResponse, Response, WebhookClient
from shared.storage.clients import StorageUnavailable
from shared.storage.queues import DELIVERIES, POISON
from shared.storage.signature_keys import Options

OK = Response(200, None, None)


def joined(events: Sequence[Event], settings: object) -> Body:
    """An array of keys and contents."""
    return "application/json", json.dumps([{"key": each.key, "content": each.content} for each in events]).encode()


TOGETHER = Format(lambda event: joined([event], None), join=joined, most_bytes=4000)
"""A wire format of several events in one body."""

DIGEST = replace(TOGETHER, digest_every=lambda settings: timedelta(minutes=5))
"""The same, for an endpoint that wants them every five minutes."""


@dataclass(frozen=True)
class Post:
    """A request as it came, in seconds from the beginning."""

    at: float
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def keys(self) -> list[str]:
        return [each["key"] for each in json.loads(self.body)]


Answer = Callable[[Post], tuple[float, Response | NoResponse]]
"""What a receiver says to a request, and after how many seconds."""


class VirtualHost:
    """Receives 32 messages whenever it has no more than 224 in hand, and handles each in a task of its own. To be made
    within a virtual loop, in which a second of the app is a second."""

    def __init__(self, answer: Answer) -> None:
        self._loop = asyncio.get_running_loop()
        self.account = Account()
        self.posts: list[Post] = []
        self.came_back = 0
        """Messages that could not be handled, each time."""
        self._answer = answer
        self._in_hand: set[asyncio.Task[None]] = set()
        app = app_on(self.account, SETTINGS, cast(Any, None), lambda: NOW + timedelta(seconds=self.seconds()))
        self.app: App = replace(
            app,
            client=cast(WebhookClient, _Client(self)),
            options=cast(Options, FixedOptions()),
            bulkhead=Bulkhead(self.seconds),
            seconds=self.seconds,
            sleep=asyncio.sleep,
        )

    def seconds(self) -> float:
        return self._loop.time()

    def register(self, url: str = URL, format: str = "together", **given: Any) -> Endpoint:
        return registering.register(self.app.endpoints, url, self.app.now(), format=format, **given)

    def publish(self, events: Sequence[Event]) -> None:
        for event in events:
            publish(self.app, [event])

    def rows(self, events: Sequence[Event]) -> list[Delivery]:
        """The deliveries of these events."""
        return [row for event in events for row in deliveries_of(self.app, event)]

    async def run(self, until: float = 3600, done: Callable[[], bool] | None = None) -> None:
        """Until a time, until `done`, or until nothing is left to do."""
        while self.seconds() < until and not (done and done()):
            if len(self._in_hand) > IN_HAND:
                await asyncio.wait(self._in_hand, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(STORAGE_SECONDS)
            if not self._receive(DELIVERIES, self._dispatch) + self._receive(POISON, self._exhausted):
                if not self._in_hand and not any(self.account.queues.get(name) for name in (DELIVERIES, POISON)):
                    return
                await asyncio.sleep(0.5)
        while self._in_hand:
            await asyncio.wait(self._in_hand)

    def _receive(self, name: str, handle: Callable[[Queued], Any]) -> int:
        now = self.app.now()
        visible = [each for each in self.account.queues.get(name, []) if each.visible_at <= now][:BATCH]
        for message in visible:
            message.visible_at, message.dequeues = now + LEASE, message.dequeues + 1
            task = self._loop.create_task(handle(message))
            self._in_hand.add(task)
            task.add_done_callback(self._handled)
        return len(visible)

    def _handled(self, task: "asyncio.Task[None]") -> None:
        self._in_hand.discard(task)
        task.result()

    async def _dispatch(self, message: Queued) -> None:
        try:
            await dispatch(self.app, message.text.encode(), message.dequeues)
        except (StorageUnavailable, ValueError):
            if message.dequeues >= MOST_DEQUEUES:
                self.account.queues[DELIVERIES].remove(message)
                self.account.enqueue(POISON, message.text, self.app.now())
                return
            message.visible_at = self.app.now() + BACK_AFTER_FAILURE
            self.came_back += 1
            return
        self.account.queues[DELIVERIES].remove(message)

    async def _exhausted(self, message: Queued) -> None:
        await exhausted(self.app, message.text.encode(), None, message.dequeues)
        self.account.queues[POISON].remove(message)


@dataclass
class _Client:
    """As shared.outbound.client.WebhookClient."""

    host: VirtualHost
    in_flight: int = field(default=0)

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        spent: timedelta = timedelta(),
        within: timedelta | None = None,
    ) -> Response | NoResponse:
        given = within or timedelta(seconds=30)
        post = Post(self.host.seconds(), url, dict(headers), body)
        self.host.posts.append(post)
        seconds, answer = self.host._answer(post)
        await asyncio.sleep(min(seconds, given.total_seconds()))
        return answer if seconds <= given.total_seconds() else NoResponse("no complete answer")
