"""Two hosts on one storage account: a change made through one takes effect in the other within 5 s."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import pytest

from doubles.hooks import Answer, Hook, Receiver, Receivers

from .api import ENDPOINTS, Api, Json, custom, eventually
from .conftest import Issuer, MakeSettings, MakeStorage
from .hosting import QUEUES, Host, hosting
from .test_wire import openssl_signature

WITHIN = 5.0
CHANGES = ("register", "patch", "disable", "delete", "rotate", "rotate key")
WAITING = ("disable", "delete")
OFF = {"AzureWebJobs.dispatch.Disabled": "true", "AzureWebJobs.exhausted.Disabled": "true"}


@dataclass(frozen=True)
class Two:
    """`here` takes the changes; `there` publishes and dispatches, and is all that does."""

    here: Api
    there: Api
    host: Host
    receiver: Receiver


@dataclass
class Story:
    """An endpoint that is changed, and when that showed."""

    name: str
    hook: Hook
    endpoint: Json = field(default_factory=dict)
    changed_at: float = 0
    took_seconds: float = 0
    waits: str = ""
    """A delivery that waits meanwhile."""

    @property
    def type(self) -> str:
        return f"custom.two.{self.name.replace(' ', '-')}"

    @property
    def path(self) -> str:
        return f"{ENDPOINTS}/{self.endpoint['id']}"


@pytest.fixture(scope="module")
def two(make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers) -> Iterator[Two]:
    settings = make_settings(make_storage(), RETRY_DELAYS="1,1", **{f"{QUEUES}maxPollingInterval": "00:00:00.5"})
    with ExitStack() as stack:
        there = stack.enter_context(hosting(settings))
        here = stack.enter_context(hosting({**settings, **OFF}))
        apis = [stack.enter_context(closing(Api(host.url, issuer.key))) for host in (here, there)]
        yield Two(apis[0], apis[1], there, receivers.serve())


def reaches(two: Two, story: Story) -> bool:
    """Whether what is published there now goes to the endpoint."""
    return bool(two.there.publish(custom(story.type))["deliveries"])


def signatures(two: Two, story: Story) -> tuple[int, str, bytes]:
    """Of a delivery made there now: how many of the secrets, the one of the signature key, and the body."""
    event = custom(story.type)
    two.there.publish(event)
    received = story.hook.wait(key=event["meta"]["idempotencyKey"])[0]
    return len(received.headers["webhook-signature"].split()), received.headers["Signature"], received.body


def change(two: Two, story: Story) -> str:
    """Makes the change here; answers the signature key where that is what it changes."""
    api, key = two.here, ""
    match story.name:
        case "register":
            story.endpoint = api.register(story.hook.url, story.type)
        case "patch":
            api.call("PATCH", story.path, {"types": ["custom.other"]})
        case "disable":
            api.call("PATCH", story.path, {"enabled": False})
        case "delete":
            api.call("DELETE", story.path, expect=204)
        case "rotate":
            api.call("POST", f"{story.path}/secret/rotate")
        case "rotate key":
            answer = api.call("POST", "/v1.0/options/signature-key/rotate", {"activateInHours": 0}).json
            key = str(answer["webhooksSignatureAuthenticationKey"])
    story.changed_at = time.monotonic()
    return key


@pytest.fixture(scope="module")
def stories(two: Two) -> dict[str, Story]:
    """All changed at once, just after the other host has read everything anew; each with how long it took to show."""
    told = {name: Story(name, two.receiver.hook()) for name in CHANGES}
    for story in told.values():
        if story.name != "register":
            story.endpoint = two.here.register(story.hook.url, story.type)
    eventually(lambda: reaches(two, told["patch"]), bool)
    for name in WAITING:
        told[name].waits = _begin_waiting(two, told[name])
    for name in ("rotate", "rotate key"):
        assert signatures(two, told[name])[0] == 1
    assert not reaches(two, told["register"])
    key = ""
    for story in told.values():
        key = change(two, story) or key
    shows: dict[str, Callable[[], bool]] = {
        "register": lambda: reaches(two, told["register"]),
        "patch": lambda: not reaches(two, told["patch"]),
        "disable": lambda: not reaches(two, told["disable"]),
        "delete": lambda: not reaches(two, told["delete"]),
        "rotate": lambda: signatures(two, told["rotate"])[0] == 3,
        "rotate key": lambda: _signed_with(key, signatures(two, told["rotate key"])),
    }
    while shows:
        for name in list(shows):
            began = time.monotonic()
            if shows[name]():
                del shows[name]
                told[name].took_seconds = began - told[name].changed_at
            else:
                assert began - told[name].changed_at < 3 * WITHIN, f"{name} never shows there"
    return told


def _begin_waiting(two: Two, story: Story) -> str:
    """The id of a delivery whose second attempt is due when the change must have shown."""
    event = custom(story.type)
    waits, later = event["meta"]["idempotencyKey"], Answer(503, headers={"Retry-After": str(round(WITHIN) + 2)})
    story.hook.answer_by(lambda key, known: later if key == waits and not known else Answer())
    two.there.publish(event)
    delivery_id = two.there.delivery_id(waits, story.endpoint)
    two.host.wait_for("delivery.attempted", deliveryId=delivery_id)
    return delivery_id


def _signed_with(key: str, delivery: tuple[int, str, bytes]) -> bool:
    _, signature, body = delivery
    return signature == openssl_signature(key, body)


@pytest.mark.parametrize("name", CHANGES)
def test_it_takes_effect_within_5_seconds(stories: dict[str, Story], name: str) -> None:
    print(f"\n{name}: {stories[name].took_seconds:.1f} s")
    assert stories[name].took_seconds <= WITHIN


@pytest.mark.parametrize(("name", "word"), [("disable", "disabled"), ("delete", "deleted")])
def test_what_waits_there_is_cancelled(two: Two, stories: dict[str, Story], name: str, word: str) -> None:
    two.host.wait_for("delivery.cancelled", deliveryId=stories[name].waits)
    for api in (two.here, two.there):
        delivery = api.ended(stories[name].waits, "cancelled")
        assert word in delivery["reason"]
    assert len(stories[name].hook.of(delivery["idempotencyKey"])) == 1
