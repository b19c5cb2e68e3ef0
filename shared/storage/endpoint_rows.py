"""What an endpoint's row holds: in the clear what may be seen, encrypted what may not, in chunks what may be large."""

import json
from collections.abc import Collection
from typing import Any

from azure.data.tables import TableEntity

from shared.model import Endpoint, Health
from shared.model.health import of_generation
from shared.storage import chunks
from shared.storage.cipher import Cipher
from shared.storage.rows import RowFormat, Versioned, etag_of

_PRIVATE = {"settings", "auth"}
_KEPT_APART = {"id", "health", "url", "secret", "old_secrets", *_PRIVATE}


_ROWS = RowFormat(Endpoint, {"key_revision": "turn"})


class EndpointRows:
    """Remembers by version what it decrypted, since a thousand rows take a while."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._opened: dict[str, Versioned[dict[str, Any]]] = {}

    def columns(self, endpoint: Endpoint) -> dict[str, str | bytes]:
        """All of an endpoint but its id, which is the row's key, and its health, which has a row of its own."""
        return {
            "Url": self._cipher.encrypt(endpoint.url),
            "Secret": self._cipher.encrypt(json.dumps(_secrets(endpoint))),
            **self._private(endpoint),
            **chunks.split("Row", _ROWS.dump(endpoint, _KEPT_APART)),
        }

    def endpoint(self, row: TableEntity, health: TableEntity | None) -> Endpoint:
        """The endpoint of a row, with what its health row says of this registration."""
        known = None if health is None else Health.model_validate_json(health["Health"])
        apart = {"id": row["RowKey"], "health": known or Health(generation=0), **self._open(row)}
        endpoint = _ROWS.load(chunks.join("Row", row), apart)
        return endpoint.model_copy(update={"health": of_generation(known, endpoint.generation)})

    def is_current(self, row: TableEntity) -> bool:
        """Whether the first key alone opens all of it."""
        tokens = (row["Url"], row["Secret"], chunks.join("Private", row).decode())
        return all(self._cipher.is_current(token) for token in tokens if token)

    def forget_others(self, stored: Collection[str]) -> None:
        """Drops what was decrypted of endpoints that are no more."""
        self._opened = {each: opened for each, opened in self._opened.copy().items() if each in stored}

    def _private(self, endpoint: Endpoint) -> dict[str, bytes]:
        """Settings and authentication, which few endpoints have, and which may take more than one property."""
        text = endpoint.model_dump_json(include=_PRIVATE, exclude_defaults=True)
        return {} if text == "{}" else chunks.split("Private", self._cipher.encrypt(text).encode())

    def _open(self, row: TableEntity) -> dict[str, Any]:
        opened, etag = self._opened.get(row["RowKey"]), etag_of(row)
        if opened is None or opened.etag != etag:
            fields = {"url": self._cipher.decrypt(row["Url"]), **json.loads(self._cipher.decrypt(row["Secret"]))}
            private = chunks.join("Private", row).decode()
            fields |= json.loads(self._cipher.decrypt(private)) if private else {}
            opened = self._opened[row["RowKey"]] = Versioned(fields, etag)
        return opened.value


def _secrets(endpoint: Endpoint) -> dict[str, Any]:
    return endpoint.model_dump(mode="json", include={"secret", "old_secrets"})
