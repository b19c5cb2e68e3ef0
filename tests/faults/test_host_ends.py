"""What the Azure Functions host does to an app and the local host does not: it ends at some errors of storage, leaves
hidden what it receives while it stops, and deletes with a receipt that is no longer good (see "What it does not do" in
local/README.md). Here the local host is killed where Azure's ends."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from doubles.background import Background
from doubles.hooks import Hook, Receiver, Receivers
from e2e.api import Api, Json, custom, eventually
from e2e.conftest import Issuer, MakeSettings, MakeStorage, Storage
from e2e.hosting import QUEUES, Host

from .flow import QUICKLY, wait_until_drained
from .proxy import Answers, Fault, HangsUp, Proxy, Request, Script, proxying

pytestmark = pytest.mark.alone

TYPE = "custom.ends"
LEASE = 2
ONE_TRY = {f"{QUEUES}maxDequeueCount": "1"}
Call = tuple[str, str, str]
"""Service, method, and how its resource begins."""
RECEIVE: Call = ("Queue", "GET", "deliveries/messages")
DELETE: Call = ("Queue", "DELETE", "deliveries/messages/")
UPDATE: Call = ("Queue", "PUT", "deliveries/messages/")
MOVE: Call = ("Queue", "POST", "deliveries-poison/messages")
BY_THE_APP: tuple[Call, ...] = (("Table", "", ""), ("Queue", "POST", "deliveries/messages"))
"""The app can neither record what it sent nor put it back, so `dispatch` fails."""
AT_ONCE = Answers(403)
"""No client tries again."""


@dataclass(frozen=True)
class End:
    """Azure's host ends when storage answers `call` with `fault`; meanwhile `broken` fails too, to bring it there.
    `answered`: the receiver has answered before. The receiver gets `posts` requests in the end."""

    call: Call
    fault: Fault
    answered: bool
    posts: int
    broken: tuple[Call, ...] = ()
    status: str = "delivered"
    settings: dict[str, str] = field(default_factory=dict)


ENDS = {
    "at a poll": End(RECEIVE, Answers(403), answered=False, posts=2),
    "at a renewal": End(UPDATE, Answers(503), answered=False, posts=2),
    "at a delete": End(DELETE, Answers(503), answered=True, posts=1),
    "at a release": End(UPDATE, Answers(503), answered=True, posts=2, broken=BY_THE_APP),
    # Delivered, and nobody could note it: it ends in the alert log.
    "at a move to the poison queue": End(
        MOVE, Answers(503), answered=True, posts=1, broken=BY_THE_APP, status="failed", settings=ONE_TRY
    ),
}


def is_of(call: Call, request: Request) -> bool:
    service, method, resource = call
    return request.service == service and method in ("", request.method) and request.resource.startswith(resource)


class Watch:
    """A script that breaks one call of the host's, and others, and counts how often it broke the one."""

    def __init__(self, call: Call, fault: Fault, broken: tuple[Call, ...] = ()) -> None:
        self._call, self._fault, self._broken = call, fault, broken
        self._count = 0
        self._changed = threading.Condition()

    def __call__(self, request: Request) -> Fault | None:
        if is_of(self._call, request):
            with self._changed:
                self._count += 1
                self._changed.notify_all()
            return self._fault
        return AT_ONCE if any(is_of(call, request) for call in self._broken) else None

    def wait_for_more(self, count: int = 1, within: float = 20) -> None:
        with self._changed:
            wanted = self._count + count
            assert self._changed.wait_for(lambda: self._count >= wanted, within), "the host did not come there"


@dataclass
class Stage:
    """A host behind a proxy."""

    storage: Storage
    proxy: Proxy
    settings: dict[str, str]
    issuer: Issuer
    receiver: Receiver
    stack: ExitStack
    host: Host | None = None

    def start(self, **settings: str) -> Api:
        """Another host, after the one before it was killed, with a caller."""
        self.kill()
        self.proxy.passes()
        self.host = Host({**self.settings, **settings}, LEASE)
        return self.stack.enter_context(closing(Api(self.host.url, self.issuer.key)))

    def kill(self) -> None:
        if self.host is not None:
            self.host.kill()

    def breaks(self, script: Script) -> None:
        self.proxy.script = script


@pytest.fixture(scope="module")
def stage(
    background: Background, make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers
) -> Iterator[Stage]:
    storage = make_storage()
    with ExitStack() as stack:
        proxy = stack.enter_context(background.entered(proxying(storage.connection)))
        settings = make_settings(Storage(proxy.connection, storage.log), **QUICKLY)
        stage = Stage(storage, proxy, settings, issuer, receivers.serve(), stack)
        stack.callback(stage.kill)
        yield stage


@pytest.fixture
def hook(stage: Stage) -> Hook:
    return stage.receiver.hook()


def publish(api: Api, hook: Hook, name: str) -> tuple[str, str]:
    """An event of this name to the one endpoint for it: its key, and the delivery's id."""
    endpoint = api.register(hook.url, name)
    key = api.publish(custom(name))["idempotencyKey"]
    return key, api.delivery_id(key, endpoint)


def settles(stage: Stage, api: Api, delivery: str, status: str = "delivered") -> Json:
    found = api.ended(delivery, status, within=30)
    wait_until_drained(stage.storage.connection)
    assert api.delivery(delivery) == found
    return found


@pytest.mark.parametrize("name", ENDS)
def test_the_host_ends(name: str, stage: Stage, hook: Hook) -> None:
    end = ENDS[name]
    api = stage.start(**end.settings)
    hook.hold()
    key, delivery = publish(api, hook, f"{TYPE}.{list(ENDS).index(name)}")
    hook.wait()
    watch = Watch(end.call, end.fault, end.broken)
    stage.breaks(watch)
    if end.answered:
        hook.release()
    watch.wait_for_more()
    stage.kill()
    hook.release()
    api = stage.start(**end.settings)
    found = settles(stage, api, delivery, end.status)
    assert len(hook.of(key)) == end.posts
    assert len(found["attempts"]) == (1 if end.status == "delivered" else 0)
    assert (delivery in [line["id"] for line in api.alerts()]) == (end.status == "failed")


def test_a_receive_is_in_flight_when_the_host_stops(stage: Stage, hook: Hook) -> None:
    """Its messages are hidden, with one try spent, and nobody has them."""
    api = stage.start()
    watch = Watch(RECEIVE, HangsUp(afterwards=True))
    stage.breaks(watch)
    watch.wait_for_more()  # no receive from before is under way
    key, delivery = publish(api, hook, f"{TYPE}.received")
    watch.wait_for_more(2)  # one that began after the message was put has been made, and its answer was lost
    stage.kill()
    assert not hook.received
    found = settles(stage, stage.start(), delivery)
    assert len(hook.of(key)) == len(found["attempts"]) == 1


def test_a_run_ends_during_its_renewal(stage: Stage, hook: Hook) -> None:
    """Storage refuses the delete, made with the receipt from before: the message comes back, to no second POST."""
    api = stage.start()
    hook.hold()
    key, delivery = publish(api, hook, f"{TYPE}.renewed")
    hook.wait()
    watch = Watch(DELETE, Answers(400, "PopReceiptMismatch"))
    stage.breaks(watch)
    hook.release()
    watch.wait_for_more()
    stage.proxy.passes()
    found = settles(stage, api, delivery)
    assert len(hook.of(key)) == len(found["attempts"]) == 1


def test_a_poison_message_is_run_again_past_the_last_try(stage: Stage) -> None:
    """However often `exhausted` failed for want of storage, what it was given is in the alert log in the end."""
    api = stage.start(**ONE_TRY)
    stage.breaks(lambda request: AT_ONCE if request.service == "Table" else None)
    with QueueClient.from_connection_string(stage.storage.connection, "deliveries-poison") as poison:
        with suppress(ResourceExistsError):
            poison.create_queue()
        poison.send_message("no message of the app's", time_to_live=-1)
    assert stage.host is not None
    failed = "A failed message of deliveries-poison comes back"
    host = stage.host
    host.wait_until(lambda: sum(failed in line for line in host.lines) >= 2)
    stage.proxy.passes()
    eventually(api.alerts, lambda lines: "no message of the app's" in [line.get("message") for line in lines], 10)
    wait_until_drained(stage.storage.connection)
