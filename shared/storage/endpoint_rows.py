"""What an endpoint's row holds: in the clear what may be seen, encrypted what may not, in chunks what may be large."""

import json
from collections.abc import Collection
from typing import Any

from azure.data.tables import TableEntity

from shared.model import Endpoint, Health
from shared.model.health import of_generation
from shared.storage import chunks
from shared.storage.cipher import Cipher
from shared.storage.rows import RowFormat, etag_of

_PRIVATE = {"settings", "auth"}
_KEPT_APART = {"id", "health", "url", "secret", "old_secrets", *_PRIVATE}


_ROWS = RowFormat(Endpoint, {"key_revision": "turn"})


class EndpointRows:
    """Remembers by version what it has read: a row that is as it was costs nothing to read again."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._read: dict[str, tuple[str, str, Endpoint]] = {}

    def columns(self, endpoint: Endpoint) -> dict[str, str | bytes]:
        """All of an endpoint but its id, which is the row's key, and its health, which has a row of its own."""
        return {
            "Url": self._cipher.encrypt(endpoint.url, _place(endpoint.id, "Url")),
            "Secret": self._cipher.encrypt(json.dumps(_secrets(endpoint)), _place(endpoint.id, "Secret")),
            **self._private(endpoint),
            **chunks.split("Row", _ROWS.dump(endpoint, _KEPT_APART)),
        }

    def endpoint(self, row: TableEntity, health: TableEntity | None) -> Endpoint:
        """The endpoint of a row, with what its health row says of this registration."""
        endpoint_id, versions = row["RowKey"], (etag_of(row), "" if health is None else etag_of(health))
        read = self._read.get(endpoint_id)
        if read is None or read[:2] != versions:
            read = self._read[endpoint_id] = (*versions, self._decode(row, health))
        return read[2]

    def _decode(self, row: TableEntity, health: TableEntity | None) -> Endpoint:
        stored = None if health is None else Health.model_validate_json(health["Health"])
        apart = {"id": row["RowKey"], "health": stored or Health(generation=0), **self._open(row)}
        endpoint = _ROWS.load(chunks.join("Row", row), apart)
        return endpoint.model_copy(update={"health": of_generation(stored, endpoint.generation)})

    def is_current(self, row: TableEntity) -> bool:
        """Whether all of it is under the first key, and bound to its place."""
        tokens = {"Url": row["Url"], "Secret": row["Secret"], "Private": chunks.join("Private", row).decode()}
        return all(
            self._cipher.is_current(token, _place(row["RowKey"], name)) for name, token in tokens.items() if token
        )

    def forget_others(self, stored: Collection[str]) -> None:
        """Drops what was read of endpoints that are no more."""
        self._read = {each: read for each, read in self._read.copy().items() if each in stored}

    def _private(self, endpoint: Endpoint) -> dict[str, bytes]:
        """Settings and authentication, which few endpoints have, and which may take more than one property."""
        text = endpoint.model_dump_json(include=_PRIVATE, exclude_defaults=True)
        if text == "{}":
            return {}
        return chunks.split("Private", self._cipher.encrypt(text, _place(endpoint.id, "Private")).encode())

    def _open(self, row: TableEntity) -> dict[str, Any]:
        def opened(name: str, token: str) -> str:
            return self._cipher.decrypt(token, _place(row["RowKey"], name))

        fields = {"url": opened("Url", row["Url"]), **json.loads(opened("Secret", row["Secret"]))}
        private = chunks.join("Private", row).decode()
        return fields | (json.loads(opened("Private", private)) if private else {})


def _place(endpoint_id: str, name: str) -> str:
    return f"endpoints/{endpoint_id}/{name}"


def _secrets(endpoint: Endpoint) -> dict[str, Any]:
    return endpoint.model_dump(mode="json", include={"secret", "old_secrets"})
