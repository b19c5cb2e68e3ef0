"""Table `options`: the signature key of Syskit Point's contract, and the one announced to follow it."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from shared.model import Stored
from shared.storage.cipher import Cipher
from shared.storage.clients import Services, Table, Written
from shared.storage.rows import Versioned, change, etag_of
from shared.storage.snapshot import Snapshot

_PARTITION = "options"
_SIGNATURE_KEY = "signature-key"
_PLACE = f"{_PARTITION}/{_SIGNATURE_KEY}/Value"


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

    def followed_by(self, following: str, activates_at: datetime) -> "SignatureKeys":
        return SignatureKeys(current=self.current, following=following, activates_at=activates_at)


class Options:
    """Settings that the app keeps itself, read at most every few seconds."""

    def __init__(self, services: Services, cipher: Cipher) -> None:
        self._table = services.table("options")
        self._rows = _Rows(self._table, cipher)
        self._snapshot = Snapshot(lambda: self._change(_as_they_are))

    def signature_key(self, now: datetime) -> str:
        """The text of the key that signs now; made on first use, by whoever comes first."""
        return self._snapshot.get().at(now).current

    async def signature_key_on_loop(self, now: datetime, in_thread: Callable[..., Awaitable[Any]]) -> str:
        """As `signature_key`, without keeping the loop."""
        return (await self._snapshot.get_on_loop(in_thread)).at(now).current

    def signature_keys(self, now: datetime) -> SignatureKeys:
        """The keys as stored now."""
        return self._change(_as_they_are).at(now)

    def rotate_signature_key(self, now: datetime, activates_at: datetime) -> SignatureKeys:
        """Announces a new key; one that was announced and does not sign yet is replaced."""
        following = str(uuid.uuid4())
        rotated = self._change(lambda keys: keys.at(now).followed_by(following, activates_at))
        self._snapshot.forget()
        return rotated.at(now)

    def reencrypt(self) -> int:
        """Writes the keys anew where they are not under the first key of SECRETS_KEY, or not bound to their place.
        Returns 1 or 0."""
        self._change(_as_they_are)
        if self._rows.is_current():
            return 0
        self._change(lambda keys: keys.model_copy())
        return 1

    def ping(self) -> None:
        """Asks tables once for the keys, and opens them where there are some. Raises StorageUnavailable, and
        SettingsError where SECRETS_KEY does not open them."""
        self._rows.get(_SIGNATURE_KEY, once=True)

    def _change(self, transition: Callable[[SignatureKeys], SignatureKeys]) -> SignatureKeys:
        """The keys as they then are; the first ones are made here."""
        first = SignatureKeys(current=str(uuid.uuid4()))
        stored = self._rows.get(_SIGNATURE_KEY)
        keys = change(self._rows, _SIGNATURE_KEY, lambda keys: transition(keys or first), stored)
        assert keys is not None  # noqa: S101 (there is always a row, and its table)
        return keys


class _Rows:
    """The one row of the keys."""

    def __init__(self, table: Table, cipher: Cipher) -> None:
        self._table = table
        self._cipher = cipher

    def get(self, name: str, once: bool = False) -> Versioned[SignatureKeys] | None:
        row = self._table.get(_PARTITION, name, once)
        if row is None:
            return None
        return Versioned(SignatureKeys.model_validate_json(self._cipher.decrypt(row["Value"], _PLACE)), etag_of(row))

    def insert(self, name: str, keys: SignatureKeys) -> Written:
        while (written := self._table.insert(self._entity(name, keys))) is Written.NO_TABLE:
            self._table.create()
        return written

    def replace(self, name: str, keys: SignatureKeys, etag: str) -> Written:
        return self._table.replace(self._entity(name, keys), etag)

    def is_current(self) -> bool:
        """Whether the row is under the first key of SECRETS_KEY, and bound to its place."""
        row = self._table.get(_PARTITION, _SIGNATURE_KEY)
        return row is None or self._cipher.is_current(row["Value"], _PLACE)

    def _entity(self, name: str, keys: SignatureKeys) -> dict[str, str]:
        value = self._cipher.encrypt(keys.model_dump_json(exclude_none=True), _PLACE)
        return {"PartitionKey": _PARTITION, "RowKey": name, "Value": value}


def _as_they_are(keys: SignatureKeys) -> SignatureKeys:
    return keys
