"""A function host in the small world: it receives, leases, runs the app's own code, and moves what fails too often."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from cryptography.fernet import Fernet
from greenlet import greenlet

from doubles.simulated_storage import START, FixedEndpoints, FixedOptions, World
from doubles.storage_account import Crash, Queued, app_on
from shared.app import App
from shared.delivery.dispatcher import dispatch
from shared.delivery.poison import exhausted
from shared.delivery.publisher import Accepted, publish
from shared.delivery.succession import tend
from shared.model import Event
from shared.outbound.breaker import Breaker
from shared.outbound.bulkhead import Bulkhead
from shared.outbound.client import NoResponse, Response
from shared.settings import read_settings
from shared.storage.clients import StorageUnavailable
from shared.storage.endpoints import Endpoints
from shared.storage.signature_keys import Options

T = TypeVar("T")

LEASE = timedelta(minutes=10)
BACK_AFTER_FAILURE = timedelta(seconds=60)
MOST_DEQUEUES = 10
LOOKS_EVERY = timedelta(minutes=5)  # the timer, which looks at sequences that have not moved
MOST_EXPIRIES = 8  # in one schedule: with no bound, leases could run out faster than work is done
REFUSES_THE_BODY = Response(400, '{"error":{"code":"TriggerInputSchemaMismatch"}}', None)
ASKS_FOR_LESS = Response(429, None, timedelta(seconds=20))
FAILURES = (
    NoResponse("refused"),
    Response(500, None, timedelta(minutes=5)),
    Response(400, '{"error":{"code":"WorkflowTriggerIsNotEnabled"}}', None),
    REFUSES_THE_BODY,
    ASKS_FOR_LESS,
)
"""An outage, a busy receiver, one that is switched off, a body that it will never take, and one that asks for less."""
SETTINGS = read_settings(
    {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
)


class MoodyBreaker(Breaker):
    """Opens and closes by chance, as the breakers of several instances look to one message."""

    def __init__(self, world: World) -> None:
        super().__init__(SETTINGS.breaker_probe)
        self._world = world

    def wait_seconds(self, endpoint: str, delivery: str, now: float) -> float:
        return self._world.odds.held_seconds if self._world.chance(self._world.odds.held) else 0.0


def _app(world: World) -> App:
    def post(url: str, headers: Any, body: bytes, spent: timedelta) -> Response | NoResponse:
        world.point()
        keys = [headers["webhook-id"]] if world.format == "point" else [each["key"] for each in json.loads(body)]
        world.most_together = max(world.most_together, len(keys))
        for key in keys:
            world.posting(key, url)
        world.posts.update((key, url) for key in keys)
        failed = world.chance(world.odds.receiver_fails)
        if not failed:
            world.successes.update(f"{key} {url}" for key in keys)
        world.point()
        failures = FAILURES if world.odds.failure is None else (FAILURES[world.odds.failure],)
        answer = world.random.choice(failures) if failed else Response(200, None, None)
        if answer == ASKS_FOR_LESS or (answer == REFUSES_THE_BODY and len(keys) > 1):
            world.put_off += len(keys)
        return answer

    def pass_time(by: timedelta) -> None:
        world.point()
        world.now += by

    app = app_on(world.account, SETTINGS, post, lambda: world.now, pass_time=pass_time)
    return replace(
        app,
        endpoints=cast(Endpoints, FixedEndpoints(world.format, world.ordered)),
        options=cast(Options, FixedOptions()),
        breaker=MoodyBreaker(world),
        bulkhead=Bulkhead(app.seconds, patience_seconds=0),
    )


class _Loop:
    """What futures and tasks ask of a loop, where greenlets play its part."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self._soon: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[int, Callable[[], None]]] = []
        """With the step at which each ends."""
        self._step = 0

    def run_what_is_due(self) -> None:
        self._step += 1
        self._soon.extend(end for step, end in self._timers if step <= self._step)
        self._timers = [timer for timer in self._timers if timer[0] > self._step]
        while self._soon:
            self._soon.popleft()()

    def create_task(self, coroutine: Coroutine[Any, Any, Any], **named: object) -> "asyncio.Future[Any]":
        future = self.create_future()

        def body() -> None:
            try:
                future.set_result(_run(self._host.world, coroutine))
            except Crash:
                coroutine.close()
                if not future.done():
                    future.set_exception(StorageUnavailable("the process has ended"))
                raise
            except Exception as error:
                future.set_exception(error)

        self._host.start(body)
        return future

    def get_debug(self) -> bool:
        return False

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=cast(Any, self))

    def call_later(self, delay: float, callback: Callable[..., Any], *arguments: Any) -> "_Loop":
        """Time passes at once; and then, or where deliveries go together some steps later, the timer ends."""
        world = self._host.world
        world.now += timedelta(seconds=delay)
        steps = 0 if world.format == "point" else world.random.randrange(40)
        if steps:
            self._timers.append((self._step + steps, lambda: callback(*arguments)))
        else:
            self.call_soon(callback, *arguments)
        return self

    def cancel(self) -> None:
        """Of a timer: it has been."""

    def call_soon(self, callback: Callable[..., Any], *arguments: Any, context: object = None) -> None:
        self._soon.append(lambda: callback(*arguments))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An outcome that nobody took: its invocation has crashed."""


def _run(world: World, coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in this greenlet; while it waits for a future, others run."""
    while True:
        try:
            future = coroutine.send(None)
        except StopIteration as ended:
            return cast(T, ended.value)
        while not future.done():
            world.main.switch()


@contextlib.contextmanager
def _in_a_loop(host: "Host") -> Iterator[None]:
    host.loop = _Loop(host)
    asyncio._set_running_loop(cast(Any, host.loop))
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


class Host:
    """Receives, leases, runs, deletes, and moves what fails too often, as the Functions host does (local/README.md)."""

    def __init__(self, world: World, instances: int = 1) -> None:
        self.world = world
        self.apps = [_app(world) for _ in range(instances)]
        self.running: list[greenlet] = []
        self.accepted: list[Event] = []
        self.expired = 0
        self.loop = _Loop(self)
        self._looks_at = world.now + LOOKS_EVERY

    @property
    def app(self) -> App:
        """One of the instances."""
        return self.apps[0] if len(self.apps) == 1 else self.world.random.choice(self.apps)

    def run(self, events: list[Event]) -> None:
        """Until nothing is left to do; each event has a publisher of its own."""
        self.run_publishers([[event] for event in events])

    def run_publishers(self, publishers: list[list[Event]], gives_up: float = 0.0) -> None:
        """Until nothing is left to do. A publisher publishes one event after the other; with these odds it does not try
        again when it learns nothing, and goes on."""
        with _in_a_loop(self):
            self._run_all(publishers, gives_up)

    def poisons(self, body: bytes) -> None:
        """Handles a message of the poison queue now."""
        with _in_a_loop(self):
            _run(self.world, exhausted(self.app, body, None, 1))

    def _run_all(self, publishers: list[list[Event]], gives_up: float) -> None:
        for events in publishers:
            self.start(lambda events=events: self._publish_all(events, gives_up))  # type: ignore[misc]
        for _ in range(20_000):
            if self.running:
                self._advance_one()
            elif not self._receive():
                waiting = [message.visible_at for message in (*self.world.queue, *self.world.poison)]
                if self.world.account.tables.get("sequences"):
                    waiting.append(self._looks_at)
                if not waiting:
                    return
                self.world.now = max(self.world.now, min(waiting))
                if self.world.now >= self._looks_at:
                    self._looks_at = self.world.now + LOOKS_EVERY
                    self.start(self._tend)
        raise AssertionError("the world never came to rest: something loops")

    def _advance_one(self) -> None:
        if self.world.chance(0.3):
            self._receive()
        if self.expired < MOST_EXPIRIES and self.world.chance(self.world.odds.lease_runs_out):
            self.expired += 1
            self.world.faults += len(self.running)
            self.world.now += LEASE + timedelta(seconds=1)
        self.loop.run_what_is_due()
        chosen = self.world.random.choice(self.running)
        chosen.switch()
        if chosen.dead:
            self.running.remove(chosen)

    def start(self, body: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                body()
            except Crash:
                self.apps = [_app(self.world) for _ in self.apps]  # what others do meanwhile, others do

        self.running.append(greenlet(guarded))

    def _publish_all(self, events: list[Event], gives_up: float) -> None:
        for event in events:
            self._publish(event, gives_up)

    def _publish(self, event: Event, gives_up: float) -> None:
        """A caller that tries again until it is told that the event was accepted, or gives up."""
        while True:
            try:
                result = publish(self.app, [event])
                assert isinstance(result, list)
                assert isinstance(result[0], Accepted)
                self.accepted.append(event)
                return
            except (StorageUnavailable, Crash):
                self.world.main.switch()
                if self.world.chance(gives_up):
                    return

    def _tend(self) -> None:
        """The timer, which comes again where it has failed."""
        with contextlib.suppress(StorageUnavailable):
            tend(self.app)

    def _receive(self) -> bool:
        for messages, function in ((self.world.queue, self._dispatch), (self.world.poison, self._exhausted)):
            visible = [message for message in messages if message.visible_at <= self.world.now]
            if visible:
                message = self.world.random.choice(visible)
                message.dequeues += 1
                message.visible_at = self.world.now + LEASE
                self.start(lambda m=message, f=function: f(m))  # type: ignore[misc]
                return True
        return False

    def _dispatch(self, message: Queued) -> None:
        leased_until = message.visible_at
        try:
            if message.dequeues > MOST_DEQUEUES:
                raise StorageUnavailable("dequeued too often")
            _run(self.world, dispatch(self.app, message.text.encode(), message.dequeues))
        except StorageUnavailable:
            if message.dequeues >= MOST_DEQUEUES:
                self.world.poison.append(Queued(message.text, self.world.now))
                self.world.point()
                self._delete(self.world.queue, message, leased_until)
            elif message.visible_at == leased_until:
                message.visible_at = self.world.now + BACK_AFTER_FAILURE
            return
        self.world.point()
        self._delete(self.world.queue, message, leased_until)

    def _exhausted(self, message: Queued) -> None:
        leased_until = message.visible_at
        try:
            _run(self.world, exhausted(self.app, message.text.encode(), START, message.dequeues))
        except StorageUnavailable:
            return  # hidden until its lease ends
        self.world.point()
        self._delete(self.world.poison, message, leased_until)

    def _delete(self, messages: list[Queued], message: Queued, leased_until: datetime) -> None:
        if message.visible_at == leased_until and message in messages:  # else its receipt is no longer good
            messages.remove(message)
