"""Registering receivers, and changing what is registered.

A registration is read, what is asked is merged into it and checked, a receiver that must consent is asked once, and
then the row is written in the loop of storage/rows.py, which merges and checks again where somebody else was faster.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from shared.admin.changes import Changes, Invalid, Unfit, complete
from shared.admin.consent import NotConsented, consent_problem
from shared.admin.reachability import Busy
from shared.app import App
from shared.model import Endpoint, endpoint_id
from shared.model.audiences import TokenRules
from shared.model.endpoint import merge, rotate
from shared.model.endpoint import register as new_endpoint
from shared.model.filters import MOST_LISTENERS, is_listener
from shared.model.health import renew
from shared.outbound.credentials import token_rules
from shared.outbound.signing import make_secret
from shared.storage.rows import Rejected, change

MOST_ENDPOINTS = 1000
RESERVED_FOR_ADMINS = 100
"""Of them: however many subscribers there are, an admin can still register one."""


@dataclass(frozen=True)
class OthersEndpoint(Rejected):
    """The URL is registered by somebody else."""


@dataclass(frozen=True)
class TooManyEndpoints(Rejected):
    """There are as many already as there may be, or as the caller may make."""

    limit: int


@dataclass(frozen=True)
class TooManyOfOwner(Rejected):
    """The caller has as many already as it may have."""

    limit: int


@dataclass(frozen=True)
class TooManyListeners(Rejected):
    """The caller has as many endpoints already that ask for operational events as it may have."""

    limit: int


Refusal = Invalid | Unfit | OthersEndpoint | TooManyEndpoints | TooManyOfOwner | TooManyListeners | Busy


@dataclass(frozen=True)
class Registration:
    """A URL to be registered, or changed where it is: its URL has been checked. With `only_own` one of another owner is
    left alone. One that `replaces` another may be one too many. `if_new` are fields that only a new endpoint takes."""

    url: str
    changes: Changes
    owner: str = ""
    by_admin: bool = False
    only_own: bool = False
    replaces: bool = False
    if_new: Mapping[str, Any] = field(default_factory=dict)
    secret: str = field(default_factory=make_secret)
    """For a new endpoint."""


@dataclass(frozen=True)
class Registered:
    endpoint: Endpoint
    new: bool


def register(app: App, wanted: Registration) -> Registered | Refusal:
    """Registers a URL, or changes what is said of its registration; what is not said stays."""
    now, full, rules = app.now(), _full(app, wanted), token_rules(app.settings)
    loud = _loud(app, wanted)

    def transition(stored: Endpoint | None) -> Endpoint | Refusal:
        if stored is None:
            made = full or _made(wanted, now, rules)
        elif wanted.only_own and stored.owner != wanted.owner:
            return OthersEndpoint()
        else:
            made = _merged(_of_role(stored, wanted), wanted.changes, now, rules, wanted.by_admin)
        begins = isinstance(made, Endpoint) and is_listener(made) and not (stored and is_listener(stored))
        return loud if loud is not None and begins else made

    written = _write(app, endpoint_id(wanted.url), wanted.changes, transition, wanted.by_admin)
    assert written is not None  # noqa: S101 (an endpoint is wanted, and the store makes its table)
    return Registered(written, written.secret == wanted.secret) if isinstance(written, Endpoint) else written


def change_endpoint(app: App, endpoint_id: str, changes: Changes) -> Endpoint | Refusal | None:
    """Changes a registration for an admin; None where there is none."""
    now, rules = app.now(), token_rules(app.settings)

    def transition(stored: Endpoint | None) -> Endpoint | Refusal | None:
        return None if stored is None else _merged(stored, changes, now, rules, by_admin=True)

    return _write(app, endpoint_id, changes, transition, by_admin=True)


def rotate_secret(app: App, endpoint_id: str, until: datetime) -> Endpoint | None:
    """Gives an endpoint a new secret; the one before goes on signing beside it. None where there is no endpoint."""
    now, secret, rows = app.now(), make_secret(), app.endpoints.rows
    return change(
        rows,
        endpoint_id,
        lambda stored: None if stored is None else rotate(stored, secret, now, until),
        rows.get(endpoint_id),
    )


def _full(app: App, wanted: Registration) -> TooManyEndpoints | TooManyOfOwner | None:
    """Whether a new endpoint would be one too many. Counted are those of the snapshot, so that registering reads no
    table: instances that register at the same moment can exceed a limit by a few."""
    endpoints = app.endpoints.all()
    limit = MOST_ENDPOINTS if wanted.by_admin else MOST_ENDPOINTS - RESERVED_FOR_ADMINS
    if len(endpoints) >= limit + wanted.replaces:
        return TooManyEndpoints(limit)
    own, most = sum(each.owner == wanted.owner for each in endpoints), app.settings.max_endpoints_per_owner
    if not wanted.by_admin and own >= most + wanted.replaces:
        return TooManyOfOwner(most)
    return None


def _loud(app: App, wanted: Registration) -> TooManyListeners | None:
    """Whether another listener to operational events would be one too many. Counted are those of the snapshot."""
    own = (each for each in app.endpoints.all() if each.owner == wanted.owner and is_listener(each))
    if wanted.by_admin or sum(1 for _ in own) < MOST_LISTENERS + wanted.replaces:
        return None
    return TooManyListeners(MOST_LISTENERS)


def _of_role(stored: Endpoint, wanted: Registration) -> Endpoint:
    """What the owner may hear of follows the role with which it registers again."""
    return stored.model_copy(update={"by_admin": wanted.by_admin}) if stored.owner == wanted.owner else stored


def _made(wanted: Registration, now: datetime, rules: TokenRules) -> Endpoint | Invalid | Unfit:
    fields = {**wanted.if_new, **wanted.changes.fields}
    if "types" not in fields:
        return Unfit("types: is required")
    if wanted.by_admin and fields.get("enabled") is False:
        fields["disabled_by_admin"] = True
    fields["by_admin"] = wanted.by_admin
    made = new_endpoint(wanted.url, wanted.secret, wanted.owner, fields, now)
    return complete(None, made, wanted.changes, rules)


def _merged(
    stored: Endpoint, changes: Changes, now: datetime, rules: TokenRules, by_admin: bool
) -> Endpoint | Invalid | Unfit:
    return complete(stored, merge(stored, changes.fields, now, by_admin=by_admin), changes, rules)


def _write(
    app: App,
    endpoint_id: str,
    changes: Changes,
    transition: Callable[[Endpoint | None], Endpoint | Refusal | None],
    by_admin: bool,
) -> Endpoint | Refusal | None:
    """The endpoint as it then is. Enabling one that does not receive starts its health anew."""
    rows = app.endpoints.rows
    stored = rows.get(endpoint_id)
    before = None if stored is None else stored.value
    wanted = transition(before)
    if not isinstance(wanted, Endpoint):
        return wanted
    problem = consent_problem(app, before, wanted, for_admin=by_admin)
    if problem is not None:
        return Unfit(f"endpoint: {problem.reason}") if isinstance(problem, NotConsented) else problem
    written = cast(Endpoint | Refusal | None, change(rows, endpoint_id, transition, stored))
    if not isinstance(written, Endpoint) or before is None or before.receives:
        return written
    enabled = changes.fields.get("enabled") is True and written.enabled
    return app.endpoints.change_health(written, renew) if enabled else written
