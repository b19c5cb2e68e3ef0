"""Subscriptions by a key of the caller's choice: which endpoint a key stands for, however its URL changes.

A key is a caller's own: the same word of another caller is another key. Endpoints carry their key and a turn, one
higher than any that the key had when it was subscribed. The endpoint with the highest turn is the key's; the others go,
each only if it is still what it was when a higher one was seen. So the highest turn never falls but by `unsubscribe`,
concurrent calls leave one endpoint, and what a crash left behind goes with the next call.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from shared.model import Endpoint
from shared.storage.endpoints import Complete, Endpoints, as_it_is


class Subscribed(NamedTuple):
    """`new`: the key stood for nothing. `dropped` are the ids of the endpoints that it stood for."""

    endpoint: Endpoint
    new: bool
    dropped: tuple[str, ...]


def subscribe(
    endpoints: Endpoints,
    owner: str,
    key: str,
    url: str,
    secret: str,
    given: Mapping[str, Any],
    now: datetime,
    complete: Complete = as_it_is,
) -> Subscribed:
    """Makes a URL the one that a key stands for. A new URL keeps the secret of the one before it; `secret` is for the
    first. Raises OthersEndpoint where the URL is another owner's, and TooManyEndpoints."""
    known = _of(endpoints, owner, key)
    secret = known[-1].secret if known else secret
    turn = known[-1].turn + 1 if known else 1
    marked = {**given, "key": key, "turn": turn}
    endpoint, _ = endpoints.register(
        url, secret, marked, now, owner, only_own=True, replaces=bool(known), complete=complete
    )
    dropped: list[str] = []
    while len(found := _of(endpoints, owner, key)) > 1:
        dropped += [other.id for other in found[:-1] if endpoints.drop(other)]
    return Subscribed(endpoint, not known, tuple(dropped))


def subscribed(endpoints: Endpoints, owner: str, key: str) -> Endpoint | None:
    """The endpoint that a key stands for, as stored now."""
    found = _of(endpoints, owner, key)
    return found[-1] if found else None


def unsubscribe(endpoints: Endpoints, owner: str, key: str) -> tuple[str, ...]:
    """Deletes what a key stands for; returns the ids."""
    return tuple(endpoint.id for endpoint in _of(endpoints, owner, key) if endpoints.delete(endpoint.id))


def _of(endpoints: Endpoints, owner: str, key: str) -> list[Endpoint]:
    """All that carry a key, the one that it stands for last."""
    found = [each for each in endpoints.read_all() if (each.owner, each.key) == (owner, key)]
    return sorted(found, key=lambda endpoint: (endpoint.turn, endpoint.id))
