"""Table `options`: the signature key of Syskit Point's contract."""

import threading
import time
import uuid

from shared.storage.cipher import Cipher
from shared.storage.clients import Services, Written

_PARTITION = "options"
_SIGNATURE_KEY = "signature-key"
_CACHE_SECONDS = 4.0


class Options:
    """Settings that the app keeps itself, read at most every few seconds."""

    def __init__(self, services: Services, cipher: Cipher) -> None:
        self._table = services.table("options")
        self._cipher = cipher
        self._lock = threading.Lock()
        self._key = ""
        self._read_at = float("-inf")

    def signature_key(self) -> str:
        """The key's text, a GUID; made on first use, by whoever comes first."""
        with self._lock:
            if time.monotonic() - self._read_at > _CACHE_SECONDS:
                asked_at = time.monotonic()
                self._key = self._read_or_make()
                self._read_at = asked_at
            return self._key

    def ping(self) -> None:
        """Asks the table service for something; raises StorageUnavailable."""
        self._table.get(_PARTITION, _SIGNATURE_KEY)

    def _read_or_make(self) -> str:
        while True:
            row = self._table.get(_PARTITION, _SIGNATURE_KEY)
            if row is not None:
                return self._cipher.decrypt(row["Value"])
            made = self._cipher.encrypt(str(uuid.uuid4()))
            if self._table.insert({"PartitionKey": _PARTITION, "RowKey": _SIGNATURE_KEY, "Value": made}) is (
                Written.NO_TABLE
            ):
                self._table.create()
