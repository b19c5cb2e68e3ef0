"""What is asked of an endpoint, and whether all of it goes together. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.formats import FORMATS
from shared.formats.rendering import settings_problems, settings_text
from shared.model import Auth, Endpoint
from shared.model.audiences import TokenRules, token_problem
from shared.model.auth import AuthBody, merge_patch, patched_auth, stored_auth
from shared.model.validation import clauses
from shared.outbound.credentials import conflict_of
from shared.storage.rows import Rejected

JsonObject = dict[str, Any]

MOST_ENDPOINT_BYTES = 16 * 1024
"""Of all that a caller can make long, but for the settings of wire formats, which have a limit of their own."""

MOST_SETTINGS_BYTES_IN_ALL = 64 * 1024
"""Of all wire formats that an endpoint has had; each has a limit of its own."""

_MEASURED = {"url", "name", "key", "types", "tenants", "sites", "auth"}
_AUTH: TypeAdapter[Any] = TypeAdapter(AuthBody)


@dataclass(frozen=True)
class Whole:
    """Takes the place of what is stored."""

    value: JsonObject


@dataclass(frozen=True)
class Patch:
    """A merge patch of what is stored (RFC 7396)."""

    value: JsonObject


@dataclass(frozen=True)
class Changes:
    """What is asked of an endpoint: fields as they are to be, `settings` of its wire format, and `auth` as the API
    takes it. What is None stays as it is."""

    fields: Mapping[str, Any]
    settings: Whole | Patch | None = None
    auth: Whole | Patch | None = None


@dataclass(frozen=True)
class Invalid(Rejected):
    """Fields that are wrong, each said as a clause that begins with the field."""

    errors: tuple[str, ...]


@dataclass(frozen=True)
class Unfit(Rejected):
    """What is asked does not go together, or not with this deployment or receiver. `reason` begins with the field."""

    reason: str


def complete(
    before: Endpoint | None, after: Endpoint, changes: Changes, rules: TokenRules
) -> Endpoint | Invalid | Unfit:
    """The endpoint with its settings and authentication, when all of it goes together. `after` has its other fields as
    they are to be; `before` is the endpoint as it is, None where it is new.

    What has not changed is not checked again: an endpoint that no longer fits can still be disabled.
    """
    with_settings = _with_settings(before, _paced(after), changes.settings)
    if isinstance(with_settings, Invalid):
        return with_settings
    auth = _changed_auth(with_settings.auth, changes.auth)
    if isinstance(auth, Invalid):
        return auth
    completed = with_settings.model_copy(update={"auth": auth})
    too_large = _size_problem(before, completed)
    if too_large:
        return too_large
    if before is None or (completed.auth, completed.format) != (before.auth, before.format):
        return _auth_problem(completed, rules) or completed
    return completed


def _paced(endpoint: Endpoint) -> Endpoint:
    """With the pace that all receivers of its format have, where it has none of its own."""
    known = FORMATS.get(endpoint.format)
    if endpoint.max_per_second is not None or known is None or known.max_per_second is None:
        return endpoint
    return endpoint.model_copy(update={"max_per_second": known.max_per_second})


def _size_problem(before: Endpoint | None, after: Endpoint) -> Unfit | None:
    """Every instance holds all endpoints in memory, and reads their rows every few seconds."""
    size = _size_bytes(after)
    if size <= MOST_ENDPOINT_BYTES or (before is not None and size <= _size_bytes(before)):
        return None
    return Unfit(
        f"endpoint: its URL, types, tenants, sites and auth take {size} bytes together, and at most "
        f"{MOST_ENDPOINT_BYTES} are taken: write fewer or shorter ones (`*` stands for many)"
    )


def _size_bytes(endpoint: Endpoint) -> int:
    return len(endpoint.model_dump_json(include=_MEASURED, exclude_defaults=True).encode())


def _with_settings(before: Endpoint | None, after: Endpoint, change: Whole | Patch | None) -> Endpoint | Invalid:
    name = after.format
    stored = json.loads(after.settings.get(name, "{}"))
    wanted = _applied(change, stored)
    text = settings_text(wanted)
    if text != settings_text(stored):  # as text: to Python, 1 and true are equal
        others = {other: kept for other, kept in after.settings.items() if other != name}
        after = after.model_copy(update={"settings": _newest(others | ({name: text} if wanted else {}))})
    if before is None or (before.format, before.settings, before.types) != (name, after.settings, after.types):
        problems = settings_problems(name, wanted, after.types)
        if problems:
            return Invalid(tuple(problems))
    return after


def _newest(settings: dict[str, str]) -> dict[str, str]:
    """Those of earlier wire formats, which deliveries on their way may still need, as far as there is room: the newest
    are the last."""
    kept = dict(settings)
    while len(kept) > 1 and sum(len(text.encode()) for text in kept.values()) > MOST_SETTINGS_BYTES_IN_ALL:
        del kept[next(iter(kept))]
    return kept


def _applied(change: Whole | Patch | None, stored: JsonObject) -> JsonObject:
    match change:
        case Whole(value):
            return value
        case Patch(value):
            merged: JsonObject = merge_patch(stored, value)
            return merged
    return stored


def _changed_auth(stored: Auth | None, change: Whole | Patch | None) -> Auth | Invalid | None:
    if change is None:
        return stored
    wanted = change.value if isinstance(change, Whole) else patched_auth(stored, change.value)
    try:
        return stored_auth(_AUTH.validate_python(wanted))
    except ValidationError as error:
        return Invalid(tuple(clauses(error, AuthBody, wanted, "auth")))


def _auth_problem(endpoint: Endpoint, rules: TokenRules) -> Unfit | None:
    auth = endpoint.auth
    if auth is not None and auth.type == "entra":
        problem = token_problem(endpoint, auth.audience, endpoint.format, rules)
        if problem:
            return Unfit(f"auth.audience: {problem}")
    conflict = conflict_of(endpoint)
    return Unfit(f"auth: {conflict}") if conflict else None
