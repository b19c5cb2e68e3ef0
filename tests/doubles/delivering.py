"""The app's own way from an event to a receiver, in a moment: it publishes, and hands the queue's messages to dispatch
one after the other, on a storage account in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.fernet import Fernet

from doubles import registering
from doubles.running import dispatch
from doubles.samples import NOW
from doubles.storage_account import Account, app_on
from shared.app import App
from shared.delivery.publisher import Accepted, delivery_ids, publish
from shared.model import Delivery, Endpoint, Event
from shared.outbound.client import Response
from shared.settings import read_settings
from shared.storage.queues import DELIVERIES

Answer = Callable[[str, Mapping[str, str], bytes], tuple[int, str]]
LEAST = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "SECRETS_KEY": Fernet.generate_key().decode(),
    "TENANT_ID": "contoso",
}


def deliveries_of(app: App, event: Event) -> list[Delivery]:
    """The rows of an accepted event's deliveries, as they are now; of those that have one."""
    row = app.events.find(event.key, app.now())
    assert row is not None
    stored = [app.deliveries.get(each) for each in delivery_ids(row)]
    return [each.value for each in stored if each is not None]


@dataclass
class Deployment:
    """`answer` is the receiver of all endpoints: from URL, headers and body to status and answer."""

    answer: Answer
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = NOW
        self.account = Account()
        settings = read_settings(LEAST | self.settings)
        self.app = app_on(self.account, settings, self._post, lambda: self.now, pass_time=self._pass)

    def register(self, url: str, **given: Any) -> Endpoint:
        return registering.register(self.app.endpoints, url, self.now, **given)

    def deliver(self, *events: Event) -> list[Delivery]:
        """Publishes each, and brings it to its end; the deliveries as they are then."""
        found: list[Delivery] = []
        for event in events:
            [accepted] = publish(self.app, [event])
            assert isinstance(accepted, Accepted)
            self._drain()
            found += deliveries_of(self.app, event)
        return found

    def _drain(self) -> None:
        queue = self.account.queues.get(DELIVERIES, [])
        while queue:
            message = min(queue, key=lambda each: each.visible_at)
            queue.remove(message)
            self.now = max(self.now, message.visible_at)
            dispatch(self.app, message.text.encode(), 1)

    def _pass(self, time: timedelta) -> None:
        self.now += time

    def _post(self, url: str, headers: Mapping[str, str], body: bytes, spent: timedelta) -> Response:
        status, text = self.answer(url, headers, body)
        return Response(status, text, timedelta(seconds=1) if status == 429 else None)
