"""Subscriptions by a key of the caller's choice: which endpoint a key stands for, however its URL changes.

A key is a caller's own: the same word of another caller is another key. Endpoints carry their key and its revision, one
higher than any that the key had when it was subscribed. The endpoint with the highest revision is the key's; the others
go, each only if it is still what it was when a higher one was seen. So the highest revision never falls but by
`unsubscribe`, concurrent calls leave one endpoint, and what a crash left behind goes with the next call.
"""

from dataclasses import dataclass, replace

from shared.admin.changes import Changes
from shared.admin.registration import Refusal, Registered, Registration, register
from shared.app import App
from shared.model import Endpoint
from shared.outbound.signing import make_secret
from shared.storage.clients import Written
from shared.storage.endpoints import Endpoints


@dataclass(frozen=True)
class Subscribed:
    """`new`: the key stood for nothing. `dropped` are the ids of the endpoints that it stood for."""

    endpoint: Endpoint
    new: bool
    dropped: tuple[str, ...]


def subscribe(
    app: App, owner: str, key: str, url: str, changes: Changes, *, by_admin: bool = False
) -> Subscribed | Refusal:
    """Makes a URL the one that a key stands for. A new URL keeps the secret of the one before it, and stays disabled
    where an admin has disabled that one."""
    stored = _of_key(app.endpoints, owner, key)
    newest = stored[-1] if stored else None
    marked = {**changes.fields, "key": key, "key_revision": newest.key_revision + 1 if newest else 1}
    if newest and newest.disabled_by_admin and not by_admin:
        marked |= {"enabled": False, "disabled_by_admin": True}
    registered = register(
        app,
        Registration(
            url,
            replace(changes, fields=marked),
            owner,
            by_admin=by_admin,
            only_own=True,
            replaces=newest is not None,
            secret=newest.secret if newest else make_secret(),
        ),
    )
    if not isinstance(registered, Registered):
        return registered
    dropped: list[str] = []
    while len(found := _of_key(app.endpoints, owner, key)) > 1:
        dropped += [superseded.id for superseded in found[:-1] if _drop(app.endpoints, superseded)]
    return Subscribed(registered.endpoint, newest is None, tuple(dropped))


def subscribed(endpoints: Endpoints, owner: str, key: str) -> Endpoint | None:
    """The endpoint that a key stands for, as stored now."""
    found = _of_key(endpoints, owner, key)
    return found[-1] if found else None


def unsubscribe(endpoints: Endpoints, owner: str, key: str) -> tuple[str, ...]:
    """Deletes what a key stands for; returns the ids. What an admin has disabled stays as it is, and receives nothing:
    who subscribes again would be rid of that."""
    found = _of_key(endpoints, owner, key)
    return tuple(each.id for each in found if not each.disabled_by_admin and endpoints.delete(each.id))


def _of_key(endpoints: Endpoints, owner: str, key: str) -> list[Endpoint]:
    """All that carry a key, the one that it stands for last."""
    found = [each for each in endpoints.read_all() if (each.owner, each.key) == (owner, key)]
    return sorted(found, key=lambda endpoint: (endpoint.key_revision, endpoint.id))


def _drop(endpoints: Endpoints, superseded: Endpoint) -> bool:
    """Deletes an endpoint unless it was subscribed anew since it was read: then False."""
    stored = endpoints.rows.get(superseded.id)
    if stored is None:
        return False
    if (stored.value.key, stored.value.key_revision) != (superseded.key, superseded.key_revision):
        return False
    return endpoints.rows.remove(superseded.id, stored.etag) is Written.DONE
