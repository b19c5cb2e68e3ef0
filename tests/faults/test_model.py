"""Registering, changing, publishing, failing, recovering, retrying, replaying, rotating, erasing, deleting, retiring:
in any order, with crashes and failing storage, against a simple model of what must be delivered."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from standardwebhooks import Webhook

from bench.ledger import balance
from doubles.running import dispatch, exhausted
from doubles.storage_account import Account, Crash, Fault, Queue, Queued, Services, app_on
from integration.scene import THURSDAY, Clock, an_event
from shared.admin import registration
from shared.admin.changes import Changes
from shared.admin.erasure import erase
from shared.admin.registration import Registered, Registration
from shared.admin.replay import replay
from shared.admin.retry import retry
from shared.app import App
from shared.delivery.publisher import Accepted, Conflict, publish
from shared.model import Delivery, DeliveryId, Endpoint, Event, endpoint_id, from_ms
from shared.outbound import breaker
from shared.outbound.client import NoResponse, Response
from shared.outbound.signing import make_secret
from shared.settings import read_settings
from shared.storage import snapshot
from shared.storage.alerts import Malformed
from shared.storage.cipher import Cipher
from shared.storage.clients import StorageUnavailable
from shared.storage.endpoints import Endpoints
from shared.storage.events import Recipient
from shared.storage.messages import Message, decode
from shared.storage.pages import Filters
from shared.storage.queues import DELIVERIES, POISON
from shared.storage.retention import drop_old_tables
from shared.storage.snapshot import FAILURE_SECONDS
from shared.storage.weeks import oldest_kept

URLS = ("https://one.example/hook", "https://two.example/hook")
TYPES = ("custom.a", "custom.b")
KEYS = tuple(f"key-{number}" for number in range(6))
MOODS: dict[str, Response | NoResponse] = {
    "ok": Response(200, None, None),
    "busy": Response(500, None, None),
    "later": Response(503, None, timedelta(minutes=20)),
    "silent": NoResponse("no answer within 30 s"),
    "gone": Response(410, None, None),
}
LEASE, BACK_AFTER_FAILURE, MOST_DEQUEUES = timedelta(minutes=10), timedelta(minutes=1), 10
SETTINGS = read_settings(
    {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
)
CIPHER = Cipher(SETTINGS.secrets_keys)

Due = tuple[str, str]
"""URL, and idempotency key with the time at which its event was accepted: weeks apart a key may be used again."""

faults = st.one_of(
    st.none(), st.builds(Fault, st.integers(1, 4), st.sampled_from(["crash", "unavailable"]), st.booleans())
)
urls, types, keys = st.sampled_from(URLS), st.sampled_from(TYPES), st.sampled_from(KEYS)


@dataclass
class Owed:
    """What the model knows of an event accepted for an endpoint."""

    excused: bool
    """It may end `cancelled`: its endpoint was deleted, disabled or gone since, or its event erased."""


class Hooks(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.clock = Clock(THURSDAY)
        self.patch.setattr(snapshot, "time", self)
        self.patch.setattr(breaker, "OPENS_AFTER", 2)
        self.account = Account()
        self.queue = Queue(self.account, DELIVERIES, self.clock)
        self.poison = Queue(self.account, POISON, self.clock)
        self.moods = dict.fromkeys(URLS, "ok")
        self.owed: dict[Due, Owed] = {}
        self.perhaps: set[tuple[str, str]] = set()
        """URL and key of calls that failed."""
        self.published: dict[str, Event] = {}
        self.secrets: dict[str, list[str]] = {url: [] for url in URLS}
        self.taken: list[Due] = []
        self.in_hand: Message | None = None
        self.posts: Counter[str] = Counter()
        self.faults = 0
        self.app = self.start()

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.patch.undo()

    def monotonic(self) -> float:
        return self.clock.now.timestamp()

    def start(self) -> App:
        return app_on(self.account, SETTINGS, self.post, self.clock, pass_time=self.clock.move)

    def post(self, url: str, headers: Mapping[str, str], body: bytes, spent: timedelta) -> Response | NoResponse:
        message = self.in_hand
        assert message is not None
        assert message.key == headers["webhook-id"]
        endpoint = Endpoints(cast(Any, Services(Account(self.account.tables))), CIPHER).read(endpoint_id(url))
        assert endpoint is not None, "a deleted endpoint is asked"
        assert endpoint.receives, "a disabled endpoint is asked"
        assert endpoint.generation == message.generation, "this was for the endpoint before its deletion"
        assert (url, message.key) in self.perhaps or _due(url, message) in self.owed, "this was not for this endpoint"
        signature = Webhook(self.secrets[url][-1]).sign(message.key, self.clock.now, body.decode())
        assert signature == headers["webhook-signature"].split(" ")[0], "not signed with the newest secret"
        if self.moods[url] != "later":  # which spends no attempt
            self.posts[message.delivery] += 1
        if self.moods[url] == "ok":
            self.taken.append(_due(url, message))
        return MOODS[self.moods[url]]

    def endpoint(self, url: str) -> Endpoint | None:
        self.account.breaks(None)
        return self.app.endpoints.read(endpoint_id(url))

    def excuse(self, url: str) -> None:
        for (to, _), owed in self.owed.items():
            owed.excused |= to == url

    # What people do

    @initialize(moods=st.tuples(*[st.sampled_from(["ok", "busy", "silent"])] * len(URLS)))
    def begin(self, moods: tuple[str, ...]) -> None:
        self.moods = dict(zip(URLS, moods, strict=True))
        for url in URLS:
            self.register(url, set(TYPES))

    @rule(url=urls, wanted=st.sets(types, min_size=1))
    def register(self, url: str, wanted: set[str]) -> None:
        self.clock.move(timedelta(seconds=1))
        fresh = make_secret()
        changes = Changes({"types": tuple(sorted(wanted))})
        registered = registration.register(self.app, Registration(url, changes, secret=fresh))
        assert isinstance(registered, Registered)
        assert registered.endpoint.types == tuple(sorted(wanted))
        if registered.new:
            self.secrets[url] = [fresh]

    @rule(url=urls, enabled=st.booleans())
    def enable(self, url: str, enabled: bool) -> None:
        if registration.change_endpoint(self.app, endpoint_id(url), Changes({"enabled": enabled})) and not enabled:
            self.excuse(url)

    @rule(url=urls)
    def delete(self, url: str) -> None:
        if self.app.endpoints.delete(endpoint_id(url)):
            self.excuse(url)

    @rule(url=urls)
    def rotate(self, url: str) -> None:
        rotated = registration.rotate_secret(self.app, endpoint_id(url), self.clock.now + timedelta(hours=24))
        if rotated:
            self.secrets[url].append(rotated.secret)

    @rule(key=keys, event_type=types, content=st.sampled_from(['{"a":1}', '{"a":2}']), fault=faults)
    def publish(self, key: str, event_type: str, content: str, fault: Fault | None) -> None:
        self.publish_one(an_event(key, type=event_type, content=content), fault)

    @rule(event_type=types, count=st.integers(1, 4))
    def publish_new(self, event_type: str, count: int) -> None:
        for _ in range(count):
            self.publish_one(an_event(f"new-{len(self.published)}", type=event_type), None)

    @precondition(lambda self: self.published)
    @rule(data=st.data(), fault=faults)
    def publish_again(self, data: st.DataObject, fault: Fault | None) -> None:
        """As a caller does that got no answer, or got one twice."""
        self.publish_one(self.published[data.draw(st.sampled_from(sorted(self.published)))], fault)

    def publish_one(self, event: Event, fault: Fault | None) -> None:
        matching = {each.id for each in self.app.endpoints.all() if each.receives and event.type in each.types}
        self.published[event.key] = event
        self.account.breaks(fault)
        try:
            [result] = cast(list[Accepted | Conflict], publish(self.app, [event]))
        except (Crash, StorageUnavailable) as error:
            self.perhaps |= {(url, event.key) for url in URLS if endpoint_id(url) in matching}
            self.restart(error)
            return
        finally:
            self.account.breaks(None)
        row = self.app.events.find(event.key, self.clock.now)
        assert row is not None
        if isinstance(result, Conflict):
            assert (row.event.type, row.event.content) != (event.type, event.content) or row.erased
            return
        assert result.duplicate or {each.id for each in row.recipients} == matching
        for url in URLS:
            for recipient in row.recipients:
                if recipient.id == endpoint_id(url):
                    owed = Owed(excused=row.erased or not self.takes(url, recipient))
                    self.owed.setdefault((url, f"{event.key}@{row.accepted_ms}"), owed)

    def takes(self, url: str, recipient: Recipient) -> bool:
        endpoint = self.endpoint(url)
        return endpoint is not None and endpoint.receives and endpoint.generation == recipient.generation

    @rule(key=keys)
    def erase(self, key: str) -> None:
        for row in list(self.app.events.find_all(key, self.clock.now)):
            erase(self.app, row)
            for (_, of), owed in self.owed.items():
                owed.excused |= of.startswith(f"{key}@")

    @rule(url=urls, data=st.data())
    def retry(self, url: str, data: st.DataObject) -> None:
        log = self.app.deliveries.log(endpoint_id(url), Filters(), self.clock.now, 100).items
        log = [each for each in log if each[1].status == "failed"] or log
        if log:
            retry(self.app, *data.draw(st.sampled_from(log)))

    @rule(url=urls, hours=st.sampled_from([1, 24, 24 * 30]), only=st.sampled_from([None, "failed", "delivered"]))
    def replay(self, url: str, hours: int, only: Any) -> None:
        endpoint = self.endpoint(url)
        if endpoint is not None and endpoint.receives:
            self.clock.move(timedelta(milliseconds=1))
            replay(self.app, endpoint, self.clock.now - timedelta(hours=hours), only)

    # What receivers and time do

    @rule(url=urls, mood=st.sampled_from(list(MOODS)))
    def turn(self, url: str, mood: str) -> None:
        self.moods[url] = mood

    @rule(by=st.sampled_from([timedelta(minutes=2), timedelta(hours=30), timedelta(days=8)]))
    def wait(self, by: timedelta) -> None:
        self.clock.move(by)

    @rule()
    def retire(self) -> None:
        drop_old_tables(self.app.services, self.clock.now, self.app.settings.retention)

    @precondition(lambda self: not self.queue.messages and not self.poison.messages)
    @rule()
    def wait_for_retention(self) -> None:
        self.clock.move(timedelta(days=60))
        self.retire()

    # What the host does

    @precondition(lambda self: self.queue.messages or self.poison.messages)
    @rule(count=st.integers(1, 12), at=st.integers(0, 11), fault=faults)
    def work(self, count: int, at: int, fault: Fault | None) -> None:
        """Handles the next messages, of which one may meet a fault."""
        for number in range(count):
            if self.queue.messages or self.poison.messages:
                self.handle_next(fault if number == at % count else None)

    def handle_next(self, fault: Fault | None = None) -> None:
        first = min((*self.queue.messages, *self.poison.messages), key=lambda each: each.visible_at)
        self.clock.now = max(self.clock.now, first.visible_at)
        first.dequeues += 1
        first.visible_at = self.clock.now + LEASE
        of_queue = first in self.queue.messages
        self.in_hand = decode(first.text.encode())
        self.account.breaks(fault)
        try:
            if of_queue:
                dispatch(self.app, first.text.encode(), first.dequeues)
            else:
                exhausted(self.app, first.text.encode(), self.clock.now, first.dequeues)
        except (Crash, StorageUnavailable) as error:
            self.restart(error)
            if isinstance(error, StorageUnavailable) and of_queue:
                self.put_back(first)
            return
        finally:
            self.account.breaks(None)
        (self.queue if of_queue else self.poison).messages.remove(first)

    def put_back(self, message: Queued) -> None:
        message.visible_at = self.clock.now + BACK_AFTER_FAILURE
        if message.dequeues >= MOST_DEQUEUES:
            self.queue.messages.remove(message)
            self.poison.messages.append(Queued(message.text, self.clock.now))

    def restart(self, error: BaseException) -> None:
        self.faults += 1
        self.clock.move(timedelta(seconds=FAILURE_SECONDS))  # the app remembers for so long that storage failed
        self.account.breaks(None)
        if isinstance(error, Crash):
            self.app = self.start()

    # What must hold

    @invariant()
    def what_the_app_disabled_is_excused(self) -> None:
        for url in URLS:
            endpoint = self.endpoint(url)
            if endpoint is not None and not endpoint.receives:
                self.excuse(url)

    @invariant()
    def rows_are_consistent(self) -> None:
        for _, row in self.rows():
            numbers = [attempt.number for attempt in row.attempts]
            assert numbers == sorted(numbers)
            failures = [attempt.number for attempt in row.attempts if attempt.status != 200]
            assert len(set(failures)) == len(failures), "an attempt is recorded twice"
            if row.status == "delivered":
                assert any(attempt.status == 200 for attempt in row.attempts)

    def rows(self) -> list[tuple[DeliveryId, Delivery]]:
        now = self.clock.now
        return [each for url in URLS for each in self.app.deliveries.log(endpoint_id(url), Filters(), now, 500).items]

    def settle(self) -> None:
        """All receivers recover, the queues drain, and an admin has what failed tried again. Then the ledger is drawn
        up: whatever is still kept and not excused was taken by its receiver."""
        self.moods = dict.fromkeys(URLS, "ok")
        self.drain()
        self.judge()
        failed = [each for each in self.rows() if each[1].status == "failed"]
        refused = [each for each in failed if retry(self.app, *each) is not None]
        self.drain()
        self.judge()
        self.what_the_app_disabled_is_excused()
        owed = {due for due in self.owed if self.is_kept(due)}
        excused = {due for due, each in self.owed.items() if each.excused}
        assert {_due(self.url(at), row) for at, row in refused} <= excused | self.doubtful()
        found = balance(owed, self.taken, excused, perhaps=self.owed.keys() | set(filter(self.is_doubtful, self.taken)))
        assert found.faults == []

    def drain(self) -> None:
        for _ in range(5_000):
            if not self.queue.messages and not self.poison.messages:
                return
            self.handle_next()
            self.what_the_app_disabled_is_excused()
        raise AssertionError("the queues never drain: something loops")

    def judge(self) -> None:
        """What holds when nothing is on its way."""
        rows = self.rows()
        assert not [row for _, row in rows if row.status == "pending"], "nothing will ever make this attempt"
        excused = {due for due, owed in self.owed.items() if owed.excused}
        cancelled = {_due(self.url(at), row) for at, row in rows if row.status == "cancelled"}
        assert cancelled <= excused | self.doubtful()
        alerts = self.app.alerts.log(Filters(), self.clock.now, 500).items
        unknown = [decode(alert.message.encode()) for alert in alerts if isinstance(alert, Malformed)]
        assert not any(self.is_kept(_due("", message)) for message in unknown), "what is kept is known"
        told = {alert[0] for alert in alerts if not isinstance(alert, Malformed)}
        assert told == {at for at, row in rows if row.status == "failed"}
        assert all(self.posts[str(at)] <= row.last_number + self.faults for at, row in rows), "a POST was repeated"

    def doubtful(self) -> set[Due]:
        """Those with a row that were published by calls that failed."""
        return {due for due in (_due(self.url(at), row) for at, row in self.rows()) if self.is_doubtful(due)}

    def is_doubtful(self, due: Due) -> bool:
        return due not in self.owed and (due[0], due[1].partition("@")[0]) in self.perhaps

    def is_kept(self, due: Due) -> bool:
        accepted_at = from_ms(int(due[1].partition("@")[2]))
        return accepted_at > oldest_kept(self.clock.now, self.app.settings.retention) + timedelta(days=7)

    def url(self, delivery_id: DeliveryId) -> str:
        return next(url for url in URLS if endpoint_id(url) == delivery_id.endpoint)


def _due(url: str, of: Message | Delivery) -> Due:
    return (url, f"{of.key}@{of.event_accepted_ms}")


def test_any_history_ends_with_a_ledger_that_reconciles(full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens decide of jitter, so they are drawn from what Hypothesis seeds: the same history is the same again."""
    monkeypatch.setattr("secrets.token_hex", lambda count: random.randbytes(count).hex())
    run_state_machine_as_test(
        Hooks,
        settings=settings(
            max_examples=3000 if full else 120,
            stateful_step_count=50,
            derandomize=not full,
            phases=list(Phase) if full else [Phase.generate],  # making a failure small takes minutes
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
