"""Bearer tokens of the app's managed identity, for receivers that ask for one."""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from datetime import timedelta
from typing import Protocol

from shared.model.audiences import scope_of
from shared.model.delivery import Unsendable

WAIT = timedelta(seconds=5)
"""How long an attempt waits for a token; it counts against the attempt's deadline."""

_KEPT_SECONDS = 600.0
"""Asking the library again costs a thread and log lines of its own, too much for every delivery."""

_SPARE_SECONDS = 300.0
"""A token this near its end is not used again."""

_ENTRA_CODE = re.compile(r"AADSTS\d{4,9}")


class Token(Protocol):
    @property
    def token(self) -> str: ...
    @property
    def expires_on(self) -> int: ...


class Credential(Protocol):
    def get_token(self, *scopes: str) -> Token: ...


class Tokens:
    """Asks in a few threads of its own: the library cannot be told to be quick, and a hung identity endpoint must hold
    no worker. Those who ask for the same audience share one request."""

    def __init__(
        self,
        credential: Callable[[], Credential],
        wait: timedelta = WAIT,
        of_stand_ins: Mapping[str, str] | None = None,
    ) -> None:
        """`of_stand_ins` are the tokens that stand-ins on this machine take, by audience."""
        self._credential = credential
        self._of_stand_ins = of_stand_ins or {}
        self._wait_seconds = wait.total_seconds()
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="token")
        self._kept: dict[str, tuple[str, float]] = {}
        self._under_way: dict[str, tuple[Future[str], float]] = {}
        self._lock = threading.Lock()

    def get(self, audience: str) -> str:
        """From a thread, which waits. Raises Unsendable where there is none in time."""
        given = self._given_or_asked(audience)
        if isinstance(given, str):
            return given
        asked, until = given
        with self._told(audience):
            return asked.result(max(until - time.monotonic(), 0))

    async def get_on_loop(self, audience: str) -> str:
        """As `get`, and no thread waits: a loop has fewer of them than there may be deliveries that want one token."""
        given = self._given_or_asked(audience)
        if isinstance(given, str):
            return given
        asked, until = given
        token = asyncio.wrap_future(asked)
        token.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to take it
        await asyncio.wait([token], timeout=max(until - time.monotonic(), 0))
        with self._told(audience):
            if not token.done():
                raise NotInTime
            return token.result()

    def _given_or_asked(self, audience: str) -> "str | tuple[Future[str], float]":
        """A token that is at hand; else the request for one that is under way, and until when it is waited for."""
        given = self._of_stand_ins.get(audience.removesuffix("/"))
        if given:
            return given
        scope = scope_of(audience)
        with self._lock:
            request = self._under_way.get(scope)  # looked at once, and before what is kept: it may end at any moment
            if request is None:
                token, until = self._kept.get(scope, ("", 0.0))
                if time.monotonic() < until:
                    return token
                request = (self._threads.submit(self._ask, scope), time.monotonic() + self._wait_seconds)
                self._under_way[scope] = request
                request[0].add_done_callback(lambda _: self._under_way.pop(scope, None))
        return request

    @contextlib.contextmanager
    def _told(self, audience: str) -> Iterator[None]:
        """Turns what a request ends in into Unsendable."""
        try:
            yield
        except NotInTime:
            raise Unsendable(
                f"no token for {audience} within {self._wait_seconds:g} s: the managed identity does not answer"
            ) from None
        except Exception as error:  # whatever the library raises: its texts quote what it was answered
            raise Unsendable(f"no token for {audience}: {_in_words(error)}") from None

    def _ask(self, scope: str) -> str:
        given = self._credential().get_token(scope)
        left = min(_KEPT_SECONDS, given.expires_on - time.time() - _SPARE_SECONDS)
        self._kept[scope] = (given.token, time.monotonic() + left)
        return given.token


def _in_words(error: Exception) -> str:
    code = _ENTRA_CODE.search(str(error))
    if code is not None:
        return f"Entra refused with {code[0]}: is there an application with this audience in the app's tenant?"
    return f"the app's managed identity gave none ({type(error).__name__}): is there one, and is AZURE_CLIENT_ID right?"
