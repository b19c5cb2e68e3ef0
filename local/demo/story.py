"""The chapters of the demo: each does something through the API, and checks what reaches the receiver."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from local.demo.events import COMPLETED, FAILED, STARTED, STORAGE_EXCEEDED, key_of
from local.receiver import Received
from local.stack import Stack

OK, FLAKY, FAIL = "/ok", "/flaky?times=2", "/fail"
PROVISIONING_TYPES = ["ProvisioningStarted", "ProvisioningCompleted", "ProvisioningFailed"]
EVENTS = (STARTED, COMPLETED, FAILED, STORAGE_EXCEEDED)
SHOWN_HEADERS = ("Signature", "Algorithm", "webhook-id", "webhook-timestamp", "webhook-signature", "traceparent")
SCHEDULED_ATTEMPTS = 4
PATIENCE_SECONDS = 30
POLL_SECONDS = 0.25


class Unexpected(Exception):
    """Something did not go as promised; the text says what."""


class Inbox:
    """What the receiver got, in order."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._changed = asyncio.Event()

    def add(self, received: Received) -> None:
        self.received.append(received)
        self._changed.set()

    async def get(self, path: str, key: str, attempt: int = 1) -> Received:
        """That attempt at `path` of the event `key`; waits for it. Raises Unexpected, also when it does not verify."""
        wanted = (path.partition("?")[0], key, attempt)
        return await self.find(
            lambda it: (it.path, it.key, it.attempt) == wanted, f"attempt {attempt} of {key} did not reach {path}"
        )

    async def find(self, is_it: Callable[[Received], bool], otherwise: str) -> Received:
        """The first delivery that is meant; waits for it. Raises Unexpected, also when it does not verify."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (found := [it for it in self.received if is_it(it)]):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise Unexpected(f"{otherwise} in {PATIENCE_SECONDS} s") from None
        if found[0].faults:
            raise Unexpected(f"a delivery to {found[0].path} did not verify: {'; '.join(found[0].faults)}")
        return found[0]


class Story:
    """Tells on `console` what happens; `chapter` is where it is."""

    def __init__(self, console: Console, inbox: Inbox) -> None:
        self.chapter = ""
        self._console = console
        self.inbox = inbox
        self._ids: dict[str, str] = {}

    async def run(self, stack: Stack) -> None:
        """All chapters, in order."""
        await self.register(stack)
        await self.publish(stack)
        await self.retry()
        await self.repeat(stack)
        await self.press_test(stack)
        delivery = await self.exhaust(stack)
        await self.send_again(stack, delivery)

    async def register(self, stack: Stack) -> None:
        self.begin("Registering three endpoints")
        for path, format_, types, about in (
            (OK, "point", ["*"], "answers 200"),
            (FLAKY, "spscan", PROVISIONING_TYPES, "fails twice for each event, then answers 200"),
            (FAIL, "point", ["storage.*"], "answers 500, always"),
        ):
            endpoint = await stack.api.call(
                "POST",
                "/v1.0/webhooks/endpoints",
                {"endpoint": stack.receiver_url + path, "types": types, "format": format_},
                headers={"Prefer": "return=representation"},
            )
            self._ids[path] = endpoint["id"]
            self.tell(f"[bold]{path:<15}[/] {about}")
            self.tell(f"{'':<15} [dim]format {format_}, types {', '.join(types)}[/]")

    async def publish(self, stack: Stack) -> None:
        self.begin("Publishing four events")
        for event in EVENTS:
            answer = await stack.api.call("POST", "/v1.0/events", event)
            self.tell(f"[bold]{event['type']}[/] → {answer['deliveries']} deliveries")
            expect(answer["deliveries"] == 2, f"{event['type']} went to {answer['deliveries']} endpoints, not 2")
        for event in EVENTS:
            self.tell_verified(await self.inbox.get(OK, key_of(event)))
        self.tell("The first as it came, in the wire format [bold]point[/]:")
        self.show(await self.inbox.get(OK, key_of(STARTED)), SHOWN_HEADERS)
        self.tell("The same event in the wire format [bold]spscan[/]:")
        self.show(await self.inbox.get(FLAKY, key_of(STARTED)))

    async def retry(self) -> None:
        self.begin("A receiver that fails twice gets the event again, unchanged")
        attempts = [await self.inbox.get(FLAKY, key_of(FAILED), number) for number in (1, 2, 3)]
        self.tell_attempts(attempts)
        expect([it.status for it in attempts] == [500, 500, 200], "the third attempt was not the first to succeed")
        expect(len({it.body for it in attempts}) == 1, "the attempts differ in their bodies")
        self.tell(f"Each time with the same body ({len(attempts[0].body)} bytes) and the same idempotency key.")

    async def repeat(self, stack: Stack) -> None:
        self.begin("Publishing an event once more, as a caller does that got no answer")
        answer = await stack.api.call("POST", "/v1.0/events", STARTED)
        expect(answer["duplicate"] is True, f"the repeated event was not recognised: {answer}")
        self.tell(f"Recognised by its key: {escape(json.dumps(answer))}")

    async def press_test(self, stack: Stack) -> None:
        self.begin("Sending a test event to one endpoint")
        path = f"/v1.0/webhooks/endpoints/{self._ids[OK]}/test"
        attempt = await stack.api.call("POST", path, {"type": "permission.external_share_created"})
        expect(attempt.get("status") == 200, f"the test event was not delivered: {attempt}")
        self.tell(f"The answer tells how it went: status {attempt['status']} after {attempt['durationMs']} ms")
        sent = await self.inbox.find(
            lambda it: it.path == OK and it.key.startswith("test-"), f"the test event did not reach {OK}"
        )
        self.tell_verified(sent)

    async def exhaust(self, stack: Stack) -> str:
        """Returns the id of the delivery that failed."""
        self.begin("A receiver that keeps failing: the schedule is spent, and the alert log has the delivery")
        numbers = range(1, SCHEDULED_ATTEMPTS + 1)
        self.tell_attempts([await self.inbox.get(FAIL, key_of(STORAGE_EXCEEDED), number) for number in numbers])
        failed = await self.poll(
            lambda: stack.api.call("GET", "/v1.0/webhooks/deliveries?status=failed"),
            lambda page: [it for it in page["value"] if it["endpointId"] == self._ids[FAIL]],
            "the alert log never got the failed delivery",
        )
        delivery = failed[0]
        expect(len(delivery["attempts"]) == SCHEDULED_ATTEMPTS, f"the log has other attempts: {delivery['attempts']}")
        self.tell("GET /v1.0/webhooks/deliveries?status=failed")
        self.tell_logged(delivery)
        return str(delivery["id"])

    async def send_again(self, stack: Stack, delivery: str) -> None:
        self.begin("The receiver is mended, and the delivery sent again")
        stack.receiver.well.add(FAIL)
        await stack.api.call("POST", f"/v1.0/webhooks/deliveries/{delivery}/retry")
        again = await self.inbox.get(FAIL, key_of(STORAGE_EXCEEDED), SCHEDULED_ATTEMPTS + 1)
        self.tell_verified(again)
        first = await self.inbox.get(FAIL, key_of(STORAGE_EXCEEDED))
        expect((again.status, again.body) == (200, first.body), "it was not the same event that arrived")
        path = f"/v1.0/webhooks/deliveries?endpoint={self._ids[FAIL]}"
        logged = await self.poll(
            lambda: stack.api.call("GET", path),
            lambda page: page["value"] if page["value"][0]["status"] == "delivered" else None,
            "the log never showed it delivered",
        )
        self.tell(f"GET {path}")
        for each in logged:
            self.tell_logged(each)

    def begin(self, chapter: str) -> None:
        self.chapter = chapter
        self._console.print(f"\n[bold cyan]{chapter}[/]")

    def tell(self, text: str) -> None:
        self._console.print(f"  {text}")

    def tell_attempts(self, attempts: Sequence[Received]) -> None:
        for attempt in attempts:
            waited = attempt.at_seconds - attempts[0].at_seconds
            self.tell_verified(attempt, f" [dim]after {waited:.1f} s[/]" if waited else "")

    def tell_verified(self, received: Received, when: str = "") -> None:
        answer = f"[{'green' if received.status < 300 else 'yellow'}]{received.status}[/]"
        self.tell(
            f"[green]✓ verified[/] {received.path:<11} attempt {received.attempt} → {answer}  {received.type}{when}"
        )

    def tell_logged(self, delivery: dict[str, Any]) -> None:
        attempts = ", ".join(str(attempt.get("status", attempt.get("error"))) for attempt in delivery["attempts"])
        reason = f" ({delivery['reason']})" if "reason" in delivery else ""
        self.tell(escape(f"  {delivery['type']}: {delivery['status']}{reason}; attempts answered {attempts}"))

    def show(self, received: Received, headers: Sequence[str] = ()) -> None:
        """A delivery as it came, its body laid out for reading."""
        for name in headers:
            self._console.print(f"    [dim]{name}:[/] {escape(received.headers.get(name, ''))}")
        for line in json.dumps(json.loads(received.body), indent=2, ensure_ascii=False).splitlines():
            self._console.print(f"    {escape(line)}")

    async def poll(self, ask: Callable[[], Awaitable[Any]], find: Callable[[Any], Any], otherwise: str) -> Any:
        """Ask the API until `find` finds something in its answer, which is returned: nothing announces it."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not (found := find(await ask())):
                    await asyncio.sleep(POLL_SECONDS)
                return found
        except TimeoutError:
            raise Unexpected(otherwise) from None


def expect(truth: bool, otherwise: str) -> None:
    """Raises Unexpected unless it is so."""
    if not truth:
        raise Unexpected(otherwise)
