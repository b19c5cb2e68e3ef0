"""What every desk has in common: a request to read, a ticket to mark, and a result to write on it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import requests

from service_desk.correlation import Correlation

PATIENCE_SECONDS = 20
LONGEST_TEXT = 2000


@dataclass(frozen=True)
class Request:
    """An approved request for a workspace, as the ticket tells it. `kind` is the last part of the path to ask at:
    teams, groups, sites or yammer. `owner` is a mail address."""

    name: str
    kind: str
    owner: str


@dataclass(frozen=True)
class Outcome:
    """What became of an event. `again` means that the desk may take it later, after `seconds` if it said so."""

    state: Literal["noted", "known", "ignored", "unmatched", "refused", "again"]
    detail: str
    seconds: float | None = None


class DeskFault(Exception):
    """The desk did not do what it was asked; `outcome` says whether asking again can help."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


class Desk(Protocol):
    name: str

    def approved_request(self, ticket: str) -> Request:
        """Raises DeskFault, also where the ticket is not approved."""

    def mark(self, correlation: Correlation) -> None:
        """Writes the correlation id on its ticket, where `note` finds it. Raises DeskFault."""

    def note(self, correlation: Correlation, event: dict[str, Any]) -> Outcome:
        """Writes the event on the ticket with this correlation id, once. Raises DeskFault."""


class Rest:
    """A desk's REST API: one session, and each kind of failure told apart."""

    def __init__(self, base: str, user: str, password: str) -> None:
        self._base = base.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy or a .netrc must not decide where the password goes
        self._session.auth = (user, password)
        self._session.headers["Accept"] = "application/json"

    def find(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The decoded answer of a GET, or None for 404. Raises DeskFault."""
        answer = self._ask("GET", path, query=query)
        return None if answer.status_code == 404 else answer.json()

    def call(self, method: str, path: str, body: Any) -> None:
        """A change. Raises DeskFault, for 404 too: what is to be changed was there a moment ago."""
        answer = self._ask(method, path, body)
        if answer.status_code == 404:
            raise DeskFault(Outcome("unmatched", f"{method} {path} answered 404: it was deleted meanwhile"))

    def _ask(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None
    ) -> requests.Response:
        """An answer 2xx or 404. Raises DeskFault."""
        what = f"{method} {path}"
        try:
            answer = self._session.request(
                method, self._base + path, params=query, json=body, timeout=PATIENCE_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            raise DeskFault(Outcome("again", f"{what} got no answer: {type(error).__name__}")) from None
        status = answer.status_code
        if status < 300 or status == 404:
            return answer
        said = f"{what} answered {status}: {answer.text[:300]}"
        if status in (401, 403):
            # Somebody has to mend it, and may do so while this waits.
            raise DeskFault(Outcome("again", f"{said} (correct the user or its rights)"))
        if status in (408, 409, 429) or status >= 500:  # Jira: 409 while another transition is under way
            raise DeskFault(Outcome("again", said, _seconds(answer.headers.get("Retry-After"))))
        raise DeskFault(Outcome("refused", said))


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and re.fullmatch(r"[0-9]{1,5}", retry_after) else None


def text_of(event: dict[str, Any], key: str) -> str:
    """An event in words for a ticket. The last line names it: by that a repeated event is recognised."""
    content: dict[str, Any] = event["content"]
    match event["type"]:
        case "ProvisioningStarted":
            said = f"Provisioning of “{_field(content, 'name')}” has started."
        case "ProvisioningCompleted":
            warnings = content.get("warnings", [])
            also = f"\nNot done: {_field({'all': '; '.join(map(str, warnings))}, 'all')}" if warnings else ""
            said = f"“{_field(content, 'name')}” is ready: {_field(content, 'url')}{also}"
        case _:
            said = f"“{_field(content, 'name')}” could not be provisioned: {_field(content, 'error')}"
    return f"{said}\nCorrelation id: {_field(content.get('metadata', {}), 'correlationId')}\n{mark_of(key)}"


def mark_of(key: str) -> str:
    """The line that names an event on a ticket."""
    return f"Tenant Hooks event: {key}"


def _field(content: dict[str, Any], name: str) -> str:
    """A value on one line, and not longer than a ticket should bear; the publisher wrote it."""
    text = " ".join(str(content.get(name, "")).split())
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
