"""An answer that is kept for a moment: many callers, one question."""

import asyncio
import inspect
from typing import Any, cast

import pytest

from shared.api import health
from shared.api.http.call import Request, Response
from shared.api.http.kept import kept
from shared.api.http.operation import LoopHandler, Returns, Tag, operation, operation_of
from shared.api.http.routing import Route

NO_REQUEST = cast(Request, None)


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Asked:
    """A handler that numbers its answers, and fails as often as it is told to."""

    def __init__(self, fails: int = 0) -> None:
        self.times = 0
        self.gate = asyncio.Event()
        self.gate.set()

        @operation("Ask", tag=Tag.APP, answers={200: Returns("Told")})
        async def get(request: Request) -> Response:
            await self.gate.wait()
            self.times += 1
            if self.times <= fails:
                raise RuntimeError("as asked")
            return Response(200, self.times)

        self.get = get


def told(handler: LoopHandler) -> Any:
    async def answer() -> Response:
        return await handler(NO_REQUEST)

    return asyncio.run(answer()).value


def test_an_answer_is_kept_and_then_asked_for_again() -> None:
    asked, clock = Asked(), Clock()
    handler = kept(asked.get, 2.0, clock)
    assert [told(handler) for _ in range(50)] == [1] * 50
    clock.seconds += 1.9
    assert told(handler) == 1
    clock.seconds += 0.2
    assert told(handler) == 2


def test_who_comes_while_it_is_asked_waits_for_that_answer() -> None:
    """Storage that hangs is asked once, not once for each caller."""
    asked = Asked()
    handler = kept(asked.get, 2.0, Clock())
    asked.gate.clear()

    async def eight() -> list[Response]:
        callers = [asyncio.ensure_future(handler(NO_REQUEST)) for _ in range(8)]
        await asyncio.sleep(0)
        asked.gate.set()
        return await asyncio.gather(*callers)

    assert {answer.value for answer in asyncio.run(eight())} == {1}
    assert asked.times == 1


def test_what_is_raised_is_not_kept() -> None:
    asked, clock = Asked(fails=1), Clock()
    handler = kept(asked.get, 2.0, clock)
    with pytest.raises(RuntimeError):
        told(handler)
    assert told(handler) == 2


def test_health_is_kept_and_described_as_before(routes: list[Route]) -> None:
    """Anybody could have the app ask storage three times for each of its requests."""
    [route] = [route for route in routes if route.name == "health_get"]
    assert route.handler is not health.get
    described: Any = operation_of(route.handler)
    assert described is operation_of(health.get)
    assert (route.handler.__module__, route.handler.__name__) == ("shared.api.health", "get")
    assert inspect.iscoroutinefunction(route.handler)
