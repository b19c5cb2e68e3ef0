"""One request to Microsoft 365 and its answer as a value, for work that is tried again later and not at once.

Who provisions writes down what came of each call before the next one, so nothing is repeated in here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from shared.m365.client import MOST_PAGE_BYTES, Client, GraphFailed, Truncated, address_at, same_origin
from shared.model.json_text import dump
from shared.model.retry_after import read_retry_after

_SHOWN_CHARACTERS = 400
_PRINTABLE = re.compile(r"[^ -~\u00a0-\uffff]+")
_REQUEST_IDS = ("request-id", "SPRequestGuid")
_OPERATIONS = ("Operation-Location", "Location")


@dataclass(frozen=True)
class Answer:
    """What came back. `status` 0: nothing in time, or nothing whole; then nobody knows what the call did, unless
    `unsent` says that it never went out. `code` and `message` are those of an error."""

    status: int
    value: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    message: str = ""
    details: tuple[Mapping[str, Any], ...] = ()
    retry_after: timedelta | None = None
    operation_url: str | None = None
    request_id: str = ""
    unsent: bool = False

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status <= 299

    @property
    def words(self) -> str:
        """`Request_BadRequest: Another object …`, never empty."""
        said = ": ".join(filter(None, (self.code, self.message)))
        return said or (f"status {self.status}" if self.status else "no answer")

    def text(self, name: str) -> str | None:
        """A member of the value, where it is a text that is not empty."""
        value = self.value.get(name)
        return value if isinstance(value, str) and value else None

    def objects(self) -> list[Mapping[str, Any]]:
        """The members of a list (`value`)."""
        listed = self.value.get("value")
        return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


class Exchange(Protocol):
    """A service of Microsoft 365: asks it once."""

    @property
    def base_url(self) -> str: ...

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer: ...


class HttpExchange:
    """Over HTTP, through a client whose time is limited. `told` are headers of every request."""

    def __init__(self, client: Client, told: Mapping[str, str]) -> None:
        self._client = client
        self._told = told

    @property
    def base_url(self) -> str:
        return self._client.base_url

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """`path` may be an address on the service; another host gets no token, and no request."""
        url = address_at(self.base_url, path)
        if not same_origin(url, self.base_url):
            return Answer(0, message="the service named an address on another host", unsent=True)
        try:
            sent = {**self._client.credentials(), **self._told, **(headers or {})}
        except GraphFailed as failure:
            return Answer(0, message=str(failure), unsent=True)
        data = None if body is None else dump(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            answer = self._client.request(method, url, sent, data)
        except GraphFailed:
            return Answer(0, message="the time of this run is over", unsent=True)
        if answer is None:
            return Answer(0, message=f"no answer to {method} in time")
        with answer:
            try:
                read = b"".join(self._client.chunks(answer, MOST_PAGE_BYTES))
            except (Truncated, GraphFailed):
                return Answer(0, message=f"the answer to {method} was cut off")
        return read_answer(answer.status_code, answer.headers, read, datetime.now(UTC))


def read_answer(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Answer:
    """An answer from what was sent. Errors may be Graph's or SharePoint's, or no JSON at all."""
    try:
        value = json.loads(body) if body else {}
    except ValueError:
        value = {}
    value = value if isinstance(value, dict) else {}
    code, message, details = _error(value) if status >= 400 else ("", "", ())
    return Answer(
        status,
        value,
        code,
        message,
        details,
        read_retry_after(headers.get("Retry-After"), now),
        next((headers[name] for name in _OPERATIONS if headers.get(name)), None),
        next((headers[name] for name in _REQUEST_IDS if headers.get(name)), ""),
    )


def _error(value: Mapping[str, Any]) -> tuple[str, str, tuple[Mapping[str, Any], ...]]:
    """Code, message and details of an error. SharePoint's message is an object, and its member has a prefix in the
    verbose form (`odata.error`)."""
    error = value.get("error") or value.get("odata.error")
    if not isinstance(error, dict):
        return (_shown(error), _shown(value.get("error_description")), ()) if isinstance(error, str) else ("", "", ())
    message = error.get("message")
    said = message.get("value") if isinstance(message, dict) else message
    details = error.get("details")
    listed = tuple(each for each in details if isinstance(each, dict)) if isinstance(details, list) else ()
    return _shown(error.get("code")), _shown(said), listed


def _shown(text: object) -> str:
    """A text of Microsoft's for people to read: one line, not without end."""
    plain = _PRINTABLE.sub(" ", text).strip() if isinstance(text, str) else ""
    return plain if len(plain) <= _SHOWN_CHARACTERS else plain[: _SHOWN_CHARACTERS - 1] + "…"
