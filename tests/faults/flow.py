"""Events that flow while something is broken, and the ledger in the end."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from time import monotonic

import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from bench.ledger import Balance, Delivery, balance
from doubles.hooks import Answer, Hook
from e2e.api import Api, custom, eventually
from e2e.hosting import QUEUES
from local.issuer import SigningKey, sign_token
from shared.delivery.deadlines import REPEAT_DELAY

QUICKLY = {
    "RETRY_DELAYS": "1,1",
    "BREAKER_PROBE_SECONDS": "1",
    "BREAKER_GRACE_SECONDS": "600",
    f"{QUEUES}maxPollingInterval": "00:00:00.2",
    f"{QUEUES}visibilityTimeout": "00:00:01",
}
ATTEMPTS = 3
_MOST_SECONDS_TO_DRAIN = REPEAT_DELAY.total_seconds() + 60
QUEUE_NAMES = ("deliveries", "deliveries-poison")
Mood = Callable[[str, int], Answer]
"""Of a receiver: its answer to a key, by how many requests with it came before."""


def mood(key: str, known: int) -> Answer:
    """Nine in ten keys are taken at once; some at the third request, and some never."""
    kind = int(key[:8], 16) % 30
    return Answer(500 if kind == 0 or (kind in (1, 2) and known < 2) else 200)


def never(key: str) -> bool:
    """Whether `mood` never takes it."""
    return int(key[:8], 16) % 30 == 0


class Flow:
    """Publishes small batches, one after the other, through hosts that may die at any moment. A call without a 202 is
    not accepted: its events may arrive or not. They are not published again, since a repeat waits for two minutes."""

    def __init__(
        self, key: SigningKey, event_type: str, urls: Sequence[str] = (), *, batch: int = 10, pause: float = 0
    ) -> None:
        self.accepted: dict[str, float] = {}
        """When the call was answered, on the monotonic clock, by key."""
        self.perhaps: set[str] = set()
        self.errors: list[str] = []
        self._type, self._batch, self._pause = event_type, batch, pause
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {sign_token(key, ['Point.Publish'])}"
        self._changed = threading.Condition()
        self._urls = list(urls)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._publish, name="flow")
        self._thread.start()

    def use(self, *urls: str) -> None:
        """From now on; none: wait for some."""
        with self._changed:
            self._urls[:] = urls
            self._changed.notify_all()

    def wait(self, accepted: int, within: float = 30) -> None:
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.accepted) >= accepted, within)
        assert came, f"{len(self.accepted)} of {accepted} were accepted within {within} s: {self.errors[-3:]}"

    def wait_for_more(self, count: int, within: float = 30) -> None:
        self.wait(len(self.accepted) + count, within)

    def pause_for(self, seconds: float) -> None:
        """Lets a fault last; ends early only with the flow."""
        self._stopping.wait(seconds)

    def stop(self) -> None:
        self._stopping.set()
        self.use("")  # wakes it
        self._thread.join()
        self._session.close()

    def _publish(self) -> None:
        for number in count():
            with self._changed:
                self._changed.wait_for(lambda: self._urls or self._stopping.is_set())
                url = self._urls[number % len(self._urls)] if self._urls else ""
            if self._stopping.wait(self._pause):
                return
            self._call(url, [custom(self._type, text="x" * 200) for _ in range(self._batch)])

    def _call(self, url: str, events: list[dict[str, object]]) -> None:
        keys = {event["meta"]["idempotencyKey"] for event in events}  # type: ignore[index]
        self.perhaps |= keys
        try:
            answer = self._session.post(f"{url}/v1.0/events", json=events, timeout=60)
        except requests.RequestException as error:
            self.errors.append(repr(error))
            with self._changed:  # until there are others to try, or a moment has passed
                self._changed.wait(0.1)
            return
        if answer.status_code != 202:
            self.errors.append(answer.text)
            assert answer.status_code == 503, answer.text
            return
        with self._changed:
            self.accepted |= {each["idempotencyKey"]: monotonic() for each in answer.json()}
            self.perhaps -= keys
            self._changed.notify_all()


@contextmanager
def flowing(
    key: SigningKey, event_type: str, urls: Sequence[str] = (), *, batch: int = 10, pause: float = 0
) -> Iterator[Flow]:
    flow = Flow(key, event_type, urls, batch=batch, pause=pause)
    try:
        yield flow
    finally:
        flow.stop()


def take_note(hook: Hook, answers: Mood = mood) -> list[str]:
    """Has the hook answer so; the value grows by the key of each request that it takes (2xx)."""
    taken: list[str] = []

    def answer(key: str, known: int) -> Answer:
        chosen = answers(key, known)
        if chosen.status == 200 and not chosen.hang_up:
            taken.append(key)
        return chosen

    hook.answer_by(answer)
    return taken


def wait_until_drained(connection: str) -> None:
    """Until both queues are empty, of hidden messages too. An event that was published again, since its first answer
    was lost, leaves copies that are hidden for `REPEAT_DELAY`."""
    for name in QUEUE_NAMES:
        with QueueClient.from_connection_string(connection, name) as messages:
            eventually(partial(_length, messages), lambda length: length == 0, within=_MOST_SECONDS_TO_DRAIN)


def _length(messages: QueueClient) -> int:
    try:
        return messages.get_queue_properties().approximate_message_count or 0
    except ResourceNotFoundError:
        return 0  # nothing was ever put on it


def draw_up(flow: Flow, taken: Sequence[str], api: Api) -> Balance:
    """The ledger of one flow to one endpoint, of drained queues."""

    def at(keys: Iterable[str]) -> list[Delivery]:
        return [("/", key) for key in keys]

    failed = at(line["idempotencyKey"] for line in api.alerts() if "idempotencyKey" in line)
    found = balance(at(flow.accepted), at(taken), failed, perhaps=at(flow.perhaps))
    print(f"\n{found}; {len(flow.errors)} calls failed")
    return found


def reconciles(flow: Flow, taken: Sequence[str], url: str, key: SigningKey) -> Balance:
    """Draws up the ledger through a host; nothing is lost, and nothing unknown came."""
    with closing(Api(url, key)) as api:
        found = draw_up(flow, taken, api)
    assert found.faults == []
    return found
