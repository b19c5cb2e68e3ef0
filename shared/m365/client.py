"""Calls to Microsoft Graph that end in time, obey throttling, and say what went wrong without a URL or a token.

`requests` does the asking. Added here: no call outlasts the scan, also where an answer drips; `Retry-After` and the
`RateLimit` headers are obeyed; the token goes to Graph alone; a refusal names the permission that is missing.
"""

import json
import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from shared import __version__
from shared.model.retry_after import read_retry_after
from shared.model.stand_ins import is_loopback

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
MOST_TRIES = 6
MOST_PAGE_BYTES = 16 * 2**20
LONGEST_PAUSE_SECONDS = 60.0

_CHUNK_BYTES = 128 * 1024
_PASSING = frozenset({429, 500, 502, 503, 504})
_LOW_WATER = 0.2
"""Graph shows RateLimit headers from when so much of the limit is left."""

logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)  # below, it quotes URLs: the report's is a key

_ERROR_CODE = re.compile(r"[A-Za-z_.-]{1,60}")


class GraphFailed(Exception):
    """Microsoft Graph did not give what was asked. The text says what to change and holds no URL, token or value."""


class Refused(GraphFailed):
    """An answer that asking again will not change: not for this identity, not there, locked or malformed (4xx)."""


class Truncated(Exception):
    """An answer ended early."""


class Resource(NamedTuple):
    """Something that Graph has: its name in words, and the application permission that reading it takes."""

    name: str
    permission: str


class Client:
    """GETs to Graph at `base_url` with the tokens that `token` gives, until `ends_at` on the given clock."""

    def __init__(
        self,
        base_url: str,
        token: Callable[[], str],
        ends_at: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = base_url
        self._token = token
        self._ends_at = ends_at
        self._clock = clock
        self._sleep = sleep
        self._pause_seconds = 0.0
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy or netrc: the token is for Graph
        self._session.headers["User-Agent"] = f"TenantHooks/{__version__}"

    def close(self) -> None:
        self._session.close()

    def left(self) -> float:
        """Seconds until the scan must end; raises GraphFailed where it must now."""
        left = self._ends_at - self._clock()
        if left <= 0:
            raise GraphFailed("the scan took too long and was ended: the next one goes on, nothing is lost or doubled")
        return left

    def get_json(self, path: str, resource: Resource) -> dict[str, object]:
        """The JSON object at a path, or at an address on Graph. Raises GraphFailed."""
        url = address_at(self.base_url, path)
        if not same_origin(url, self.base_url):
            raise GraphFailed(f"Microsoft Graph named another host for {resource.name}: the token stays where it is")
        for tries in range(1, MOST_TRIES + 1):
            try:
                with self.stream(url, resource) as answer:
                    value = json.loads(b"".join(self.chunks(answer, MOST_PAGE_BYTES)))
            except Truncated:
                self.back_off(tries, None, resource)
                continue
            except ValueError:
                value = None
            if not isinstance(value, dict):
                raise GraphFailed(f"Microsoft Graph answered {resource.name} with something that is no JSON object")
            return value
        raise AssertionError("the last try has raised")

    @contextmanager
    def stream(self, path: str, resource: Resource, redirected: bool = False) -> Iterator[requests.Response]:
        """Graph's 2xx, or with `redirected` a redirect too; its body is unread. Raises GraphFailed on all else."""
        url = address_at(self.base_url, path)
        for tries in range(1, MOST_TRIES + 1):
            self._wait(self._pause_seconds)
            answer = self.get(url, self.credentials())
            if answer is not None:
                with answer:
                    self._pause_seconds = _pause_after(answer)
                    if answer.status_code not in _PASSING:
                        if not (redirected and answer.is_redirect):
                            self._require_success(answer, resource)
                        yield answer
                        return
            self.back_off(tries, answer, resource)

    def credentials(self) -> dict[str, str]:
        """The headers of a request as the app's identity. Raises GraphFailed where it gives no token."""
        return {"Authorization": f"Bearer {self._token()}", "Accept": "application/json"}

    def get(self, url: str, headers: dict[str, str]) -> requests.Response | None:
        """Returns the answer of any status from any address, its body unread; None where there is none."""
        return self.request("GET", url, headers)

    def request(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None = None
    ) -> requests.Response | None:
        """The same for any method. Raises GraphFailed where the time is over."""
        timeout = (min(CONNECT_SECONDS, self.left()), min(READ_SECONDS, self.left()))
        try:
            return self._session.request(
                method, url, headers=headers, data=data, timeout=timeout, allow_redirects=False, stream=True
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):  # the last for an odd Location
            return None

    def chunks(self, answer: requests.Response, most_bytes: int) -> Iterator[bytes]:
        """The body as it arrives, so that one that drips ends in time too. Raises Truncated where it ends early."""
        total = 0
        while True:
            self.left()
            try:
                chunk = answer.raw.read1(_CHUNK_BYTES, decode_content=True)
            except (urllib3.exceptions.HTTPError, OSError):
                raise Truncated from None
            if not chunk:
                return
            total += len(chunk)
            if total > most_bytes:
                raise GraphFailed(f"an answer of Microsoft Graph is larger than {most_bytes} bytes")
            yield chunk

    def back_off(self, tries: int, answer: requests.Response | None, resource: Resource) -> None:
        """Waits before the next try, as long as Graph asks; raises GraphFailed when there is none."""
        said = "did not answer" if answer is None else f"answered {answer.status_code}"
        if tries == MOST_TRIES:
            raise GraphFailed(f"Microsoft Graph {said} to {resource.name}, {tries} times: the next scan tries again")
        seconds = random.uniform(0.5, 1.5) * 2.0 ** (tries - 1)  # noqa: S311 - spreads retries, guards nothing
        told = read_retry_after(answer.headers.get("Retry-After"), datetime.now(UTC)) if answer is not None else None
        if told is not None:
            seconds = told.total_seconds()
        if seconds >= self.left():
            raise GraphFailed(
                f"Microsoft Graph {said} to {resource.name} and asks for a longer wait than a scan may take: the next "
                "scan tries again"
            )
        self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(min(seconds, self.left()))

    def _require_success(self, answer: requests.Response, resource: Resource) -> None:
        status = answer.status_code
        if status in (401, 403):
            raise Refused(
                f"Microsoft Graph refused {resource.name} ({status}): grant the app's managed identity the application "
                f"permission {resource.permission} (docs/operations.md says how); a grant may take hours to work"
            )
        if not 200 <= status <= 299:
            failure = Refused if 400 <= status <= 499 else GraphFailed
            raise failure(f"Microsoft Graph answered {status}{self._error_code(answer)} to {resource.name}")

    def _error_code(self, answer: requests.Response) -> str:
        try:
            code = json.loads(b"".join(self.chunks(answer, MOST_PAGE_BYTES)))["error"]["code"]
        except (Truncated, ValueError, KeyError, TypeError):
            return ""
        return f" ({code})" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""


def may_hold_report(address: str, base_url: str) -> bool:
    """Whether the report may be fetched from here: https only; http too from this machine, where Graph itself is a
    stand-in on it that speaks http."""
    scheme, host, _ = _origin(address)
    return bool(host) and (scheme == "https" or (scheme == urlsplit(base_url).scheme == "http" and is_loopback(host)))


def address_at(base: str, reference: str) -> str:
    """The URL that a reference has, seen from `base`; empty where it has none."""
    try:
        return urljoin(base, reference)
    except ValueError:
        return ""


def same_origin(url: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port."""
    return _origin(url) == _origin(other)


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port; all empty where the URL cannot be used."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", "", None


def _pause_after(answer: requests.Response) -> float:
    """Seconds to wait before the next call: what is left of the limit is spread over the time until it is renewed."""
    try:
        limit, remaining, reset = (
            float(answer.headers[f"RateLimit-{each}"]) for each in ("Limit", "Remaining", "Reset")
        )
    except (KeyError, ValueError):
        return 0.0
    if not (remaining <= limit * _LOW_WATER and reset > 0):
        return 0.0
    return min(reset / (max(remaining, 0.0) + 1), LONGEST_PAUSE_SECONDS)
