"""What an endpoint's row holds: in the clear what may be seen, encrypted what may not, in chunks what may be large."""

import json
from collections.abc import Collection
from typing import Any

from azure.data.tables import TableEntity

from shared.model import Endpoint, Health
from shared.storage import chunks
from shared.storage.cipher import Cipher

_PRIVATE = {"settings", "auth"}
_KEPT_APART = {"id", "health", "url", "secret", "old_secrets", *_PRIVATE}


class EndpointRows:
    """Remembers by version what it decrypted, since a thousand rows take a while."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._opened: dict[str, tuple[str, dict[str, Any]]] = {}

    def columns(self, endpoint: Endpoint) -> dict[str, str | bytes]:
        """All of an endpoint but its id, which is the row's key, and its health, which has a row of its own."""
        return {
            "Url": self._cipher.encrypt(endpoint.url),
            "Secret": self._cipher.encrypt(json.dumps(_secrets(endpoint))),
            **self._private(endpoint),
            **chunks.split("Row", endpoint.model_dump_json(exclude=_KEPT_APART, exclude_defaults=True).encode()),
        }

    def endpoint(self, row: TableEntity, health: TableEntity | None) -> Endpoint:
        stored = json.loads(chunks.join("Row", row))
        state = health_of(health, stored["generation"])
        return Endpoint.model_validate({**stored, **self._open(row), "id": row["RowKey"], "health": state})

    def is_current(self, row: TableEntity) -> bool:
        """Whether the first key alone opens all of it."""
        tokens = (row["Url"], row["Secret"], chunks.join("Private", row).decode())
        return all(self._cipher.is_current(token) for token in tokens if token)

    def forget_others(self, known: Collection[str]) -> None:
        """Drops what was decrypted of endpoints that are no more."""
        self._opened = {identity: opened for identity, opened in self._opened.copy().items() if identity in known}

    def _private(self, endpoint: Endpoint) -> dict[str, bytes]:
        """Settings and authentication, which few endpoints have, and which may take more than one property."""
        text = endpoint.model_dump_json(include=_PRIVATE, exclude_defaults=True)
        return {} if text == "{}" else chunks.split("Private", self._cipher.encrypt(text).encode())

    def _open(self, row: TableEntity) -> dict[str, Any]:
        version = row.metadata["etag"] or ""
        known = self._opened.get(row["RowKey"])
        if known is None or known[0] != version:
            opened = {"url": self._cipher.decrypt(row["Url"]), **json.loads(self._cipher.decrypt(row["Secret"]))}
            private = chunks.join("Private", row).decode()
            opened |= json.loads(self._cipher.decrypt(private)) if private else {}
            known = self._opened[row["RowKey"]] = (version, opened)
        return known[1]


def health_of(row: TableEntity | None, generation: int) -> Health:
    """What a row says of this generation; healthy where it says nothing."""
    if row is not None:
        health = Health.model_validate_json(row["Health"])
        if health.generation >= generation:
            return health
    return Health(generation=generation)


def _secrets(endpoint: Endpoint) -> dict[str, Any]:
    return endpoint.model_dump(mode="json", include={"secret", "old_secrets"})
