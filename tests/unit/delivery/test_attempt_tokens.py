"""Attempts that want a token: whoever waits for one keeps no other attempt waiting."""

import asyncio
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

from doubles.delivering import Deployment
from doubles.format_events import sample_of
from shared.app import App
from shared.delivery.attempt import RENDERED_IN_THREAD_BYTES, Attempted, attempt
from shared.delivery.publisher import make_traceparent
from shared.model import Auth, Endpoint, Event
from shared.outbound.tokens import Tokens
from shared.storage.messages import sample

ENTRA = Auth(type="entra", audience="api://tickets")


@dataclass(frozen=True)
class Given:
    token: str
    expires_on: int


class Identity:
    """Gives no token before it is let."""

    def __init__(self) -> None:
        self.asked, self.let = threading.Event(), threading.Event()

    def get_token(self, *scopes: str) -> Given:
        self.asked.set()
        assert self.let.wait(30)
        return Given("token", int(time.time()) + 3600)


def sent(app: App, endpoint: Endpoint, event: Event) -> "asyncio.Task[Attempted]":
    message = sample(endpoint, event, app.now(), make_traceparent())
    return asyncio.create_task(attempt(app, endpoint, message, event))


def test_attempts_that_wait_for_a_token_hold_no_thread() -> None:
    """Each held one of the few that the loop has, and an endpoint whose token did not come held all of them: then no
    long event was rendered and no answer read, for any endpoint."""
    shown: list[str | None] = []

    def answer(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        shown.append(headers.get("Authorization"))
        return 202, ""

    deployment, identity = Deployment(answer), Identity()
    app = replace(deployment.app, in_thread=asyncio.to_thread, tokens=Tokens(lambda: identity, timedelta(seconds=30)))
    wants_token = deployment.register("https://entra.example/", auth=ENTRA)
    plain = deployment.register("https://plain.example/")
    event = sample_of("storage.threshold_exceeded")
    long = event.model_copy(update={"content": f'{event.content[:-1]},"more":"{"x" * RENDERED_IN_THREAD_BYTES}"}}'})

    async def send_both() -> None:
        with ThreadPoolExecutor(2) as threads:
            asyncio.get_running_loop().set_default_executor(threads)
            waiting = [sent(app, wants_token, event) for _ in range(2)]
            while not identity.asked.is_set():
                await asyncio.sleep(0)
            try:
                await asyncio.wait_for(sent(app, plain, long), 10)
            finally:
                identity.let.set()
            assert [each.attempt.status for each in await asyncio.gather(*waiting)] == [202, 202]

    asyncio.run(send_both())
    assert shown == [None, "Bearer token", "Bearer token"]
