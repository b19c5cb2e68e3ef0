"""The Office 365 Management Activity API: calls that end in time and name the tenant's quota, and what its errors mean.

Source: "Office 365 Management Activity API reference" on learn.microsoft.com, and "Troubleshooting the Office 365
Management Activity API" for throttling, which answers 403 as well as 429.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import requests
import urllib3

from shared.identity import NoToken, get_token
from shared.m365.client import CONNECT_SECONDS, READ_SECONDS, Client, GraphFailed, Truncated, address_at
from shared.model.retry_after import read_retry_after
from shared.settings import Settings

MOST_TRIES = 3
MOST_BYTES = 128 * 2**20
"""Of one answer."""

THROTTLED, NO_SUBSCRIPTION, DISABLED, ALREADY_ENABLED = "AF429", "AF20022", "AF20023", "AF20024"
NO_PERMISSION, UNKNOWN_TENANT = "AF10001", frozenset({"AF20011", "AF20012"})
GONE = frozenset({"AF20050", "AF20051", "AF20052"})
"""A content that is not there, has expired, or never was one."""

_PASSING = frozenset({408, 500, 502, 503, 504})
_CODE = re.compile(r"AF[0-9]{2,6}")
_NOT_AUDITED = re.compile(r"DataServiceException: Tenant .{0,80} does not exist")


class ManagementFailed(Exception):
    """The API did not give what was asked. `code` is its error's, such as AF20022, or empty; `status` is 0 where there
    was no answer. The text holds no URL, token or value."""

    def __init__(self, text: str, status: int = 0, code: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.retry_after = retry_after

    @property
    def is_throttling(self) -> bool:
        return self.code == THROTTLED or (self.status == 429 and not self.code)

    @property
    def is_refusal(self) -> bool:
        """Whether the app may not read the tenant's activity."""
        return self.code == NO_PERMISSION or (self.status in (401, 403) and not self.code)


class NotAudited(ManagementFailed):
    """The tenant keeps no audit log."""


class NoIdentity(ManagementFailed):
    """The app's managed identity gives no token."""


class OutOfTime(ManagementFailed):
    """The poll's own time is over."""


class Answer(NamedTuple):
    """`following` is the address of the next page, None on the last."""

    body: bytes
    following: str | None


class ManagementClient(Client):
    """Calls about one tenant's activity, until `ends_at` on the given clock."""

    def __init__(
        self,
        root: str,
        tenant_id: str,
        token: Callable[[], str],
        ends_at: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(root, token, ends_at, clock, sleep)
        self._feed = f"{root}/api/v1.0/{tenant_id}/activity/feed"
        self._tenant_id = tenant_id
        self._sleep_for = sleep

    def left(self) -> float:
        try:
            return super().left()
        except GraphFailed:
            raise OutOfTime("the poll took too long and was ended: the next one goes on, nothing is lost") from None

    def ask(self, method: str, operation: str, query: Mapping[str, str]) -> Answer:
        """One of the feed's operations, such as `subscriptions/list`. Raises ManagementFailed."""
        return self._ask(method, f"{self._feed}/{operation}?{urlencode(query, safe=':')}")

    def follow(self, address: str) -> Answer:
        """What an answer named: a content, or a next page. Raises ManagementFailed, also where it is on another host:
        the token stays where it is."""
        if not _same_origin(address, self.base_url):
            raise ManagementFailed("the Management Activity API named another host: the token stays where it is")
        return self._ask("GET", address)

    def _ask(self, method: str, address: str) -> Answer:
        """Tries again what may pass: no answer, a broken one, a fault of the service; and once with a new token."""
        address = self._with_publisher(address)
        renewed = False
        for tries in range(1, MOST_TRIES + 1):
            failure = ManagementFailed("the Management Activity API did not answer")
            try:
                answer = self._send(method, address)
                if answer is not None:
                    with answer:
                        body = b"".join(self.chunks(answer, MOST_BYTES))
                        if 200 <= answer.status_code <= 299:
                            return Answer(body, _following(answer, address))
                        failure = _failure(answer, body)
            except Truncated:
                failure = ManagementFailed("an answer of the Management Activity API ended early")
            except GraphFailed:
                raise ManagementFailed(f"an answer of the API is larger than {MOST_BYTES} bytes") from None
            again = failure.status in _PASSING or failure.status == 0 or (failure.status == 401 and not renewed)
            renewed = renewed or failure.status == 401
            if tries == MOST_TRIES or not again:
                raise failure
            self._sleep_for(min(2.0 ** (tries - 1), self.left()))
        raise AssertionError("the last try has raised")

    def _send(self, method: str, address: str) -> requests.Response | None:
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": "application/json"}
        if method == "GET":
            return self.get(address, headers)
        timeout = (min(CONNECT_SECONDS, self.left()), min(READ_SECONDS, self.left()))
        try:
            return self._session.request(
                method, address, data=b"", headers=headers, timeout=timeout, allow_redirects=False, stream=True
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            return None

    def _with_publisher(self, address: str) -> str:
        """Without this member a call falls into a quota that all tenants of the world share."""
        query = urlsplit(address).query
        if "publisheridentifier=" in query.lower():
            return address
        return f"{address}{'&' if query else '?'}PublisherIdentifier={self._tenant_id}"


def connect(settings: Settings, limit: timedelta) -> ManagementClient:
    """A client for calls that must all be over when `limit` is. Its tokens are those of the app's managed identity, or
    for a stand-in on this machine the one in the settings."""
    root = settings.management_url

    def token() -> str:
        if settings.management_access_token:
            return settings.management_access_token
        try:
            return get_token(settings.client_id, f"{root}/.default")
        except NoToken as failure:
            raise NoIdentity(
                f"the app's managed identity gives no token for the Management Activity API ({failure}): see that the "
                "app has one, and where it is user-assigned that AZURE_CLIENT_ID names it"
            ) from None

    return ManagementClient(root, settings.audited_tenant_id, token, time.monotonic() + limit.total_seconds())


def _failure(answer: requests.Response, body: bytes) -> ManagementFailed:
    code, message = _error(body)
    named = f" ({code})" if code else ""
    text = f"the Management Activity API answered {answer.status_code}{named}"
    if code in UNKNOWN_TENANT or _NOT_AUDITED.search(message):
        return NotAudited(text, answer.status_code, code)
    return ManagementFailed(
        text, answer.status_code, code, read_retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
    )


def _error(body: bytes) -> tuple[str, str]:
    """Code and message of an error's body; empty where it has none."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return "", ""
    error = value.get("error") if isinstance(value, dict) else None
    code, message = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
    known = isinstance(code, str) and _CODE.fullmatch(code)
    return str(code) if known else "", message if isinstance(message, str) else ""


def _following(answer: requests.Response, address: str) -> str | None:
    """The reference names this header one way, the page about troubleshooting another."""
    named = answer.headers.get("NextPageUri") or answer.headers.get("NextPageUrl")
    return address_at(address, named) if named else None


def _same_origin(address: str, root: str) -> bool:
    try:
        parts, own = urlsplit(address), urlsplit(root)
        return (parts.scheme, parts.hostname, parts.port) == (own.scheme, own.hostname, own.port)
    except ValueError:
        return False
