"""Tokens of the managed identity: shared, kept for a while, and never waited for long."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from shared.model.delivery import Unsendable
from shared.outbound.tokens import Tokens

FLOW = "https://service.flow.microsoft.com/"
Get = Callable[[Tokens, str], str]


def on_a_loop(tokens: Tokens, audience: str) -> str:
    return asyncio.run(tokens.get_on_loop(audience))


@pytest.fixture(params=[Tokens.get, on_a_loop], ids=["thread", "loop"])
def get(request: pytest.FixtureRequest) -> Get:
    wanted: Get = request.param
    return wanted


@dataclass(frozen=True)
class Given:
    token: str
    expires_on: int


class Identity:
    """Gives `token-1`, `token-2`, … that live for so long."""

    def __init__(self, lives: float = 3600, first: Callable[[], object] = lambda: None) -> None:
        self.lives = lives
        self.before = first
        self.scopes: list[str] = []

    def get_token(self, *scopes: str) -> Given:
        self.scopes += scopes
        number = len(self.scopes)
        self.before()
        return Given(f"token-{number}", int(time.time() + self.lives))


def test_a_token_is_asked_for_once_and_kept(get: Get) -> None:
    identity = Identity()
    tokens = Tokens(lambda: identity)
    assert [get(tokens, FLOW) for _ in range(3)] == ["token-1"] * 3
    assert get(tokens, "api://x") == "token-2"
    assert identity.scopes == [f"{FLOW}/.default", "api://x/.default"]


def test_a_token_near_its_end_is_asked_for_again(get: Get) -> None:
    identity = Identity(lives=200)
    tokens = Tokens(lambda: identity)
    assert [get(tokens, FLOW), get(tokens, FLOW)] == ["token-1", "token-2"]


def test_those_who_ask_at_once_share_one_request(get: Get) -> None:
    together = threading.Event()
    identity = Identity(first=lambda: together.wait(10))
    tokens = Tokens(lambda: identity)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(get, tokens, FLOW) for _ in range(8)]
        while not identity.scopes:
            time.sleep(0)  # the first is on its way; the others join it or find its token
        together.set()
        assert {each.result(10) for each in asked} == {"token-1"}
    assert len(identity.scopes) == 1


def test_an_identity_endpoint_that_hangs_is_waited_for_once_and_then_not_at_all(get: Get) -> None:
    over = threading.Event()
    identity = Identity(first=lambda: over.wait(10))
    tokens = Tokens(lambda: identity, timedelta(seconds=1))
    began = time.monotonic()
    with pytest.raises(Unsendable, match=r"within 1 s: the managed identity does not answer"):
        get(tokens, FLOW)
    assert time.monotonic() - began >= 1
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(Unsendable):
            get(tokens, FLOW)
    assert time.monotonic() - began < 1, "who comes later does not wait"
    assert len(identity.scopes) == 1
    over.set()
    assert get(tokens, "api://x") == "token-2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(invalid_scope) 500, AADSTS500011: resource SECRET not found", "Entra refused with AADSTS500011"),
        ("SECRET", r"gave none \(RuntimeError\): is there one"),
    ],
)
def test_a_failure_is_told_in_our_words_and_tried_anew(get: Get, text: str, says: str) -> None:
    def fail() -> None:
        raise RuntimeError(text)

    identity = Identity(first=fail)
    tokens = Tokens(lambda: identity)
    with pytest.raises(Unsendable, match=says) as error:
        get(tokens, "api://x")
    assert "no token for api://x: " in str(error.value)
    assert "SECRET" not in str(error.value)
    identity.before = lambda: None
    assert get(tokens, "api://x") == "token-2"


class EndsWhenLookedAt(dict[str, Any]):
    """Requests under way of which one ends, and goes, between two looks at them."""

    def __init__(self, over: threading.Event) -> None:
        super().__init__()
        self._over = over

    def _end(self, scope: object) -> None:
        self._over.set()
        while super().__contains__(scope):
            time.sleep(0)

    def __contains__(self, scope: object) -> bool:
        found = super().__contains__(scope)
        self._end(scope)
        return found

    def get(self, scope: str, default: Any = None) -> Any:
        found = super().get(scope, default)
        if found is not None:
            self._end(scope)
        return found


def test_a_request_that_ended_while_another_joined_it_raised_a_key_error(get: Get) -> None:
    over = threading.Event()
    identity = Identity(first=lambda: over.wait(10))
    tokens = Tokens(lambda: identity)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(get, tokens, FLOW)
        while FLOW + "/.default" not in tokens._under_way:
            time.sleep(0)
        tokens._under_way, under_way = EndsWhenLookedAt(over), tokens._under_way
        tokens._under_way.update(under_way)
        assert get(tokens, FLOW) == first.result(10) == "token-1"
