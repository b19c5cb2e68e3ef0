"""Table `provisioning`: requests for workspaces, and which of them has a name. Table `templates`. Queue `provisioning`.

A request is one row and, on the queue, one message that drives it. The message names the row's turn: who finds a later
one there has a copy of a message that was worked off.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from azure.data.tables import TableEntity
from pydantic import Field, ValidationError

from shared.model import Instant, Stored, to_ms
from shared.model.json_text import dump
from shared.model.provisioning import Kind, Template
from shared.storage import chunks
from shared.storage.clients import Services, Written
from shared.storage.pages import Page, continuation_at, read_continuation
from shared.storage.rows import RowFormat, Versioned, etag_of
from shared.storage.weeks import newest_first

PROVISIONING = "provisioning"
PROVISIONING_POISON = "provisioning-poison"

Status = Literal["accepted", "running", "completed", "failed"]
STATUSES: tuple[Status, ...] = ("accepted", "running", "completed", "failed")

MOST_LINES = 200
"""Of the list of requests that one call looks at: each is a row to read."""

_REQUESTS, _NEWEST, _NAMES, _STATE = "requests", "newest", "names", "state"
_TEMPLATES = "templates"
_LINE = re.compile(r"[0-7][0-9A-F]{11}-[0-9a-f-]{36}")
S = TypeVar("S", bound=Stored)


class User(Stored):
    """A user of the directory, by object id and user principal name. `given` is how the request names them."""

    id: str
    name: str
    given: str


class WorkspaceRequest(Stored):
    """A request for a workspace, and how far it is. Instants are UTC.

    `intent_at` is when the step's outside call was first about to be made; it stays until the step's outcome is
    written, so whoever finds it does not know what the call did. `microsoft_id`, `url` and `operation_url` are those
    of what was made. `error` is the reason of a failure that is decided, `decided_at` when that or the success was.
    """

    id: str
    kind: Kind
    fingerprint: str
    caller: str
    template_id: str
    display_name: str
    alias: str = ""
    description: str = ""
    is_private: bool = True
    site_design: str = "communication"
    language: int = 1033
    owners: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    comment: str | None = None
    metadata: str | None = None
    """A JSON object as text, as the caller gave it."""

    accepted_at: Instant
    updated_at: Instant
    status: Status = "accepted"
    step: str
    turn: int = 0
    tries: int = 0
    """Of the step, those that came to nothing."""
    next_at: Instant
    lease: str = ""
    lease_until: Instant | None = None

    intent_at: Instant | None = None
    owner_users: tuple[User, ...] = ()
    member_users: tuple[User, ...] = ()
    added: int = 0
    """How many of the users that did not fit the create are dealt with."""
    creates: int = 0
    """How many creates without a key of their own were lost, as far as anybody can tell."""
    looked_at: Instant | None = None
    """When what may have been made was last looked for in vain."""
    asked_at: Instant | None = None
    """When Microsoft 365 took what it makes on its own time."""
    operation_url: str | None = None
    microsoft_id: str | None = None
    made_at: Instant | None = None
    site_id: str | None = None
    community_id: str | None = None
    url: str | None = None
    extra: dict[str, str] = Field(default_factory=dict)
    """More of what the completed event says."""
    given_name: str | None = None
    warnings: tuple[str, ...] = ()
    last_error: str | None = None
    """Of the newest try that came to nothing."""
    error: str | None = None
    decided_at: Instant | None = None

    @property
    def is_over(self) -> bool:
        return self.status in ("completed", "failed")

    @property
    def name(self) -> str:
        """The one it was really given, once it is known."""
        return self.given_name or self.display_name


class _Holder(Stored):
    """Of a name: the request that makes a workspace of it."""

    request: str


class ProvisioningState(Stored):
    """What /health tells: when Microsoft 365 last refused the app itself, and when a workspace was last made."""

    refused_at: Instant | None = None
    completed_at: Instant | None = None

    @property
    def is_refused(self) -> bool:
        return self.refused_at is not None and (self.completed_at is None or self.completed_at < self.refused_at)


class Workspaces:
    """Requests, names and templates. The tables are made where they are missing."""

    def __init__(self, services: Services) -> None:
        self._table = services.table("provisioning")
        self._templates = services.table(_TEMPLATES)

    def get(self, request_id: str) -> Versioned[WorkspaceRequest] | None:
        entity = self._table.get(_REQUESTS, request_id)
        return None if entity is None else _load(entity, WorkspaceRequest)

    def insert(self, request_id: str, row: WorkspaceRequest) -> Written:
        """CONFLICT where there is one already."""
        return self._insisting(lambda: self._table.insert(_entity(_REQUESTS, request_id, row)))

    def replace(self, request_id: str, row: WorkspaceRequest, etag: str) -> Written:
        return self._table.replace(_entity(_REQUESTS, request_id, row), etag)

    def list_newest(self, row: WorkspaceRequest) -> None:
        """Enters a request into the list; harmless to repeat, and where no row of it is stored then."""
        line = {"PartitionKey": _NEWEST, "RowKey": _line_key(row), "Request": row.id}
        self._insisting(lambda: self._table.upsert(line))

    def page(self, status: Status | None, top: int, continuation: str | None) -> Page[WorkspaceRequest]:
        """Up to `top` requests, newest first, out of the next MOST_LINES lines: with a continuation even an empty page
        is not the last. Raises ValueError on a continuation that is not ours."""
        found: list[WorkspaceRequest] = []
        last = read_continuation(continuation, _LINE)
        values = {"partition": _NEWEST, "after": last}
        lines = self._table.query("PartitionKey eq @partition and RowKey gt @after", values, MOST_LINES + 1)
        for number, line in enumerate(lines):
            if len(found) == top or number == MOST_LINES:
                return Page(found, continuation_at(last))
            last = line["RowKey"]
            stored = self.get(line["Request"])
            if stored is None or _line_key(stored.value) != last:  # of a call that was cut off before it stored its row
                continue
            if status in (None, stored.value.status):
                found.append(stored.value)
        return Page(found, None)

    def hold_name(self, name: str, request_id: str) -> str | None:
        """Has the request hold a name. Returns the id of another one that is under way and has it, else None."""
        entity = self._table.get(_NAMES, name)
        held = None if entity is None else _load(entity, _Holder)
        if held is not None and held.value.request != request_id:
            other = self.get(held.value.request)
            if other is not None and not other.value.is_over:
                return other.value.id
        entry = _entity(_NAMES, name, _Holder(request=request_id))
        written = self._insisting(
            lambda: self._table.insert(entry) if held is None else self._table.replace(entry, held.etag)
        )
        return None if written is Written.DONE else self.hold_name(name, request_id)

    def forget_before(self, before: datetime) -> int:
        """Removes requests that nothing has changed since this time, and their names. Returns how many."""
        removed = 0
        values = {"partition": _NEWEST, "after": newest_first(to_ms(before))}
        for line in self._table.query("PartitionKey eq @partition and RowKey gt @after", values):
            stored = self.get(line["Request"])
            if stored is not None and stored.value.updated_at >= before:
                continue
            if stored is None or self._table.remove(_REQUESTS, line["Request"], stored.etag) is Written.DONE:
                self._table.delete(_NEWEST, line["RowKey"])
                removed += 1
        for entity in self._table.query("PartitionKey eq @partition", {"partition": _NAMES}):
            if self.get(_load(entity, _Holder).value.request) is None:
                self._table.remove(_NAMES, entity["RowKey"], etag_of(entity))
        return removed

    def state(self) -> ProvisioningState:
        entity = self._table.get(_STATE, _STATE)
        return ProvisioningState() if entity is None else _load(entity, ProvisioningState).value

    def write_state(self, state: ProvisioningState) -> None:
        self._insisting(lambda: self._table.upsert(_entity(_STATE, _STATE, state)))

    def templates(self) -> list[Template]:
        """By id."""
        found = self._templates.query("PartitionKey eq @partition", {"partition": _TEMPLATES})
        return [_load(entity, Template).value for entity in found]

    def template(self, template_id: str) -> Template | None:
        entity = self._templates.get(_TEMPLATES, template_id)
        return None if entity is None else _load(entity, Template).value

    def write_template(self, template: Template) -> None:
        while self._templates.upsert(_entity(_TEMPLATES, template.id, template)) is Written.NO_TABLE:
            self._templates.create()

    def remove_template(self, template_id: str) -> None:
        self._templates.delete(_TEMPLATES, template_id)

    def _insisting(self, write: Callable[[], Written]) -> Written:
        """Makes the table where it is missing."""
        while (written := write()) is Written.NO_TABLE:
            self._table.create()
        return written


def _load(entity: TableEntity, kind: type[S]) -> Versioned[S]:
    return Versioned(RowFormat(kind, {}).load(chunks.join("Row", entity)), etag_of(entity))


def _line_key(row: WorkspaceRequest) -> str:
    return f"{newest_first(to_ms(row.accepted_at))}-{row.id}"


def _entity(partition: str, row: str, value: Stored) -> dict[str, str | bytes]:
    stored = RowFormat(type(value), {}).dump(value)
    return {"PartitionKey": partition, "RowKey": row, **chunks.split("Row", stored)}


class Drive(Stored):
    """The message that drives a request: the next turn of it is due. One that `insists` took the place of one that was
    being worked on: it may be the last there is. No top-level member may have a name that the host takes for a
    message's own metadata."""

    v: int = 1
    request: str
    turn: int
    due_at: Instant
    insists: bool = False


class MalformedDrive(ValueError):
    """The body is no message of this queue."""


def encode(drive: Drive) -> str:
    return dump(drive.model_dump(mode="json", by_alias=True), ascii_only=True)


def decode(body: bytes) -> Drive:
    """Raises MalformedDrive."""
    try:
        return Drive.model_validate_json(body)
    except ValidationError:
        raise MalformedDrive("not a message of the queue provisioning") from None


def drive(row: WorkspaceRequest, *, insists: bool = False) -> Drive:
    """The message of a request's turn as it stands."""
    return Drive(request=row.id, turn=row.turn, due_at=row.next_at, insists=insists)


def delay_until(at: datetime, now: datetime) -> timedelta:
    """For how long a message is hidden: at most as long as a queue takes."""
    return min(max(at - now, timedelta()), timedelta(days=6))
