"""Table `options`: the signature key of Syskit Point's contract, and the one announced to follow it."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from azure.data.tables import TableEntity

from shared.model import Stored
from shared.storage.cipher import Cipher
from shared.storage.clients import Services, Written
from shared.storage.snapshot import Snapshot

_PARTITION = "options"
_SIGNATURE_KEY = "signature-key"


class SignatureKeys(Stored):
    """The key in use, a GUID's text, and after a rotation the next one with the time from which it signs."""

    current: str
    following: str | None = None
    activates_at: datetime | None = None

    def at(self, now: datetime) -> "SignatureKeys":
        """The keys as they stand at a time: an announced key becomes the current one when its time comes."""
        if self.following is not None and self.activates_at is not None and now >= self.activates_at:
            return SignatureKeys(current=self.following)
        return self


class Options:
    """Settings that the app keeps itself, read at most every few seconds."""

    def __init__(self, services: Services, cipher: Cipher) -> None:
        self._table = services.table("options")
        self._cipher = cipher
        self._snapshot = Snapshot(lambda: self._read_or_make()[0])

    def signature_key(self, now: datetime) -> str:
        """The text of the key that signs now; made on first use, by whoever comes first."""
        return self._snapshot.get().at(now).current

    async def signature_key_on_loop(self, now: datetime, in_thread: Callable[..., Awaitable[Any]]) -> str:
        """As `signature_key`, without keeping the loop."""
        return (await self._snapshot.get_on_loop(in_thread)).at(now).current

    def signature_keys(self, now: datetime) -> SignatureKeys:
        """The keys as stored now."""
        return self._read_or_make()[0].at(now)

    def rotate_signature_key(self, now: datetime, activates_at: datetime) -> SignatureKeys:
        """Announces a new key; one that was announced and does not sign yet is replaced."""
        while True:
            keys, row = self._read_or_make()
            current = keys.at(now).current
            rotated = SignatureKeys(current=current, following=str(uuid.uuid4()), activates_at=activates_at)
            if self._table.replace(self._entity(rotated), row.metadata["etag"] or "") is Written.DONE:
                self._snapshot.forget()
                return rotated.at(now)

    def reencrypt(self) -> int:
        """Writes the keys anew where they are not under the first key of SECRETS_KEY; returns 1 or 0."""
        while True:
            keys, row = self._read_or_make()
            if self._cipher.is_current(row["Value"]):
                return 0
            if self._table.replace(self._entity(keys), row.metadata["etag"] or "") is Written.DONE:
                return 1

    def ping(self) -> None:
        """Asks the table service for something; raises StorageUnavailable."""
        self._table.get(_PARTITION, _SIGNATURE_KEY)

    def _read_or_make(self) -> tuple[SignatureKeys, TableEntity]:
        while True:
            row = self._table.get(_PARTITION, _SIGNATURE_KEY)
            if row is not None:
                return SignatureKeys.model_validate_json(self._cipher.decrypt(row["Value"])), row
            made = self._entity(SignatureKeys(current=str(uuid.uuid4())))
            if self._table.insert(made) is Written.NO_TABLE:
                self._table.create()

    def _entity(self, keys: SignatureKeys) -> dict[str, str]:
        value = self._cipher.encrypt(keys.model_dump_json(exclude_none=True))
        return {"PartitionKey": _PARTITION, "RowKey": _SIGNATURE_KEY, "Value": value}
