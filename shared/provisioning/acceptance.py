"""A request for a workspace, checked and stored. What is accepted here ends in an event, whatever happens."""

import json
import threading
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared import logs
from shared.app import App
from shared.model import digest
from shared.model.fingerprint import exact
from shared.model.json_text import dump
from shared.model.provisioning import WORDS, Kind, NameProblem, Names, Template, distinct, names_for
from shared.provisioning import microsoft
from shared.provisioning.microsoft import Ask, Microsoft
from shared.provisioning.steps import Step
from shared.provisioning.users import UserProblem, find_user
from shared.storage.clients import Written
from shared.storage.workspaces import User, WorkspaceRequest, drive, encode

USERS_LIMIT = timedelta(seconds=10)
"""For looking users up while the caller waits; the worker finds the others."""

LOOKED_UP_AT_ONCE = 4
LOOK_UPS = threading.BoundedSemaphore(LOOKED_UP_AT_ONCE)
"""Of one process: a request of hundreds of users holds a thread of the API for as long as USERS_LIMIT."""

_IDS = uuid.UUID("5d2f4f0e-5d0e-4a39-9a43-2f6f0a3f6a11")
"""The name space of ids that are made of idempotency keys."""


@dataclass(frozen=True)
class Wanted:
    """What a caller asks for. `metadata` is a JSON object as text."""

    kind: Kind
    template_id: str
    display_name: str
    desired_url: str | None = None
    owners: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    description: str | None = None
    comment: str | None = None
    metadata: str | None = None
    is_private: bool | None = None


@dataclass(frozen=True)
class Caller:
    """Who asks: an object id of the directory, and the idempotency key given, if any."""

    object_id: str
    key: str | None = None


@dataclass(frozen=True)
class Accepted:
    """The request is stored and on its way. `duplicate`: it was before."""

    row: WorkspaceRequest
    duplicate: bool = False


@dataclass(frozen=True)
class KeyTaken:
    """The idempotency key belongs to a request for something else."""

    request_id: str


@dataclass(frozen=True)
class Unacceptable:
    """What to change, one clause a field."""

    errors: list[str] = field(default_factory=list)


def accept(app: App, wanted: Wanted, caller: Caller, to: Microsoft | None = None) -> Accepted | KeyTaken | Unacceptable:
    """Accepts a request, once for a key. Raises StorageUnavailable, after which the same key again is safe."""
    request_id = str(uuid.uuid5(_IDS, f"{caller.object_id}:{caller.key}") if caller.key else uuid.uuid4())
    fingerprint = digest(dump([wanted.kind, _canonical(wanted)]))
    known = app.workspaces.get(request_id) if caller.key else None
    if known is not None:
        return _known(app, known.value, fingerprint)
    made = _row(app, wanted, caller, request_id, fingerprint)
    if isinstance(made, Unacceptable):
        return made
    row = _with_users(app, made, to)
    if isinstance(row, Unacceptable):
        return row
    app.workspaces.list_newest(row)  # before there is a row: retention finds rows by the list alone
    if app.workspaces.insert(row.id, row) is not Written.DONE:  # the same call, at the same time
        stored = app.workspaces.get(row.id)
        return _known(app, row if stored is None else stored.value, fingerprint)
    _start(app, row)
    logs.info("provisioning.accepted", requestId=row.id, workspace=row.kind, templateId=row.template_id)
    return Accepted(row)


def _known(app: App, row: WorkspaceRequest, fingerprint: str) -> Accepted | KeyTaken:
    """What an earlier call may have left undone is done."""
    if row.fingerprint != fingerprint:
        return KeyTaken(row.id)
    if not row.is_over:
        _start(app, row)
    return Accepted(row, duplicate=True)


def _start(app: App, row: WorkspaceRequest) -> None:
    app.provisioning.put(encode(drive(row)))


def _canonical(wanted: Wanted) -> list[Any]:
    """The same for two calls that mean the same."""
    given = {name: value for name, value in vars(wanted).items() if name != "metadata" and value not in (None, ())}
    metadata = exact(wanted.metadata) if wanted.metadata is not None else None
    return [sorted(given.items()), json.dumps(metadata, sort_keys=True)]


def _row(
    app: App, wanted: Wanted, caller: Caller, request_id: str, fingerprint: str
) -> WorkspaceRequest | Unacceptable:
    template = _usable(app, wanted)
    if isinstance(template, str):
        return Unacceptable([template])
    names = names_for(template, wanted.display_name, wanted.desired_url)
    owners = distinct([*wanted.owners, *template.owners])
    errors = [] if isinstance(names, Names) else [f"{names.field}: {names.words}"]
    if not owners:
        errors.append("owners: name at least one, by sign-in name or mail address (the template names none either)")
    if isinstance(names, NameProblem) or errors:
        return Unacceptable(errors)
    now = app.now()
    privacy = {"private": True, "public": False, "requester": wanted.is_private is not False}[template.privacy]
    return WorkspaceRequest(
        id=request_id,
        kind=wanted.kind,
        fingerprint=fingerprint,
        caller=caller.object_id,
        template_id=template.id,
        display_name=names.display_name,
        alias=names.alias,
        description=template.description if wanted.description is None else wanted.description,
        is_private=privacy,
        site_design=template.site_design,
        language=template.language,
        owners=owners,
        members=distinct([*wanted.members, *template.members]),
        comment=wanted.comment,
        metadata=wanted.metadata,
        accepted_at=now,
        updated_at=now,
        next_at=now,
        step=Step.START,
    )


def _usable(app: App, wanted: Wanted) -> Template | str:
    """The template that the request names, or why it cannot be used."""
    template, field = app.workspaces.template(wanted.template_id), "templateId"
    if template is None:
        return f"{field}: there is no template {wanted.template_id} (GET /v1.0/provision/templates lists them)"
    if template.kind != wanted.kind:
        return (
            f"{field}: the template {template.id} is for a {WORDS[template.kind].noun}: "
            f"send the request to /v1.0/provision/{template.kind}, or name a template for a {WORDS[wanted.kind].noun}"
        )
    if template.approval != "automatic":
        return (
            f"{field}: the template {template.id} wants an approval, which nobody gives here: "
            "use one whose approval is automatic, or have an admin change it"
        )
    return template


def _with_users(app: App, row: WorkspaceRequest, to: Microsoft | None) -> WorkspaceRequest | Unacceptable:
    """The row with the users that are found now; with none where as many requests as may be have theirs looked up: the
    worker finds them then."""
    if not LOOK_UPS.acquire(blocking=False):
        return row
    try:
        return _looked_up(app, row, to)
    finally:
        LOOK_UPS.release()


def _looked_up(app: App, row: WorkspaceRequest, to: Microsoft | None) -> WorkspaceRequest | Unacceptable:
    """The row with the users that are found in time. What Microsoft 365 does not say now is no reason to refuse."""
    ends_at = app.seconds() + USERS_LIMIT.total_seconds()
    errors: list[str] = []
    found: dict[str, list[User]] = {"owners": [], "members": []}
    with ExitStack() as closing:
        to = to or microsoft.connect(app.settings, row.id, USERS_LIMIT, closing)
        ask = Ask(to, app.now())
        for name, given in (("owners", row.owners), ("members", row.members)):
            for at, address in enumerate(given):
                user = find_user(ask, address, as_owner=name == "owners") if app.seconds() < ends_at else None
                if isinstance(user, UserProblem):
                    errors.append(f"{name}[{at}]: {address} {user.words}")
                elif isinstance(user, User):
                    found[name].append(user)
                else:
                    ends_at = app.seconds()  # one that is not answered says enough
    if errors:
        return Unacceptable(errors)
    users = {"owner_users": _first(found["owners"], row.owners), "member_users": _first(found["members"], row.members)}
    return row.model_copy(update=users)


def _first(found: list[User], given: tuple[str, ...]) -> tuple[User, ...]:
    """Those at the beginning of the list; the worker goes on after them."""
    return tuple(user for user, address in zip(found, given, strict=False) if user.given == address)
