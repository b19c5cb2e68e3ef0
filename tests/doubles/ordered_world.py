"""Ordered endpoints on storage in memory: one instance, its receiver and its clock, moved by the test."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet

from doubles import registering
from doubles.running import dispatch, exhausted
from doubles.storage_account import Account, Queued, app_on
from shared.app import App
from shared.delivery.publisher import delivery_ids, publish
from shared.model import Delivery, DeliveryId, Endpoint, Event
from shared.model.json_text import dump
from shared.outbound.client import NoResponse, Response
from shared.settings import read_settings
from shared.storage.messages import Message, decode
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
    answers: dict[str, list[Response]] = field(default_factory=dict)
    """What it says to an event first, by its key."""

    def __post_init__(self) -> None:
        self.app: App = app_on(self.account, SETTINGS, self._post, lambda: self.now, pass_time=self._pass)

    def _pass(self, by: timedelta) -> None:
        self.now += by

    def _post(self, url: str, headers: Any, body: bytes, spent: timedelta) -> Response | NoResponse:
        key = headers["webhook-id"]
        self.posts.append((key, self.now))
        if self.answers.get(key):
            return self.answers[key].pop(0)
        return Response(500 if key in self.failing else 200, None, None)

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


def dies(*given: Any) -> Any:
    """Where a process ends."""
    raise RuntimeError("dead")


class Dead:
    """A store that a process does not live to use."""

    def __getattr__(self, name: str) -> Any:
        return dies
