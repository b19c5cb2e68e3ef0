"""Encryption of what a leaked table must not give away: endpoint URLs, secrets and signature keys.

What is encrypted belongs to its place, a row and a property of it: each place has keys of its own, derived from those
in SECRETS_KEY. Who can write to the tables but has no key cannot have the password of one endpoint sent to another.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.settings import SettingsError


class Cipher:
    """Encrypts with the first key of SECRETS_KEY and decrypts with any, so that keys can be rotated. What a version
    before this one wrote is under the keys themselves, wherever it stands: it is read until it is written anew."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [base64.urlsafe_b64decode(key) for key in keys]
        self._unbound = MultiFernet([Fernet(key) for key in keys])

    def encrypt(self, text: str, place: str) -> str:
        """`place` names table, row and property."""
        return _fernet(self._keys[0], place).encrypt(text.encode()).decode()

    def is_current(self, token: str, place: str) -> bool:
        """Whether it was written under the first key, for this place."""
        try:
            _fernet(self._keys[0], place).decrypt(token)
        except InvalidToken:
            return False
        return True

    def decrypt(self, token: str, place: str) -> str:
        """Raises SettingsError where no key fits."""
        bound = MultiFernet([_fernet(key, place) for key in self._keys])
        for fernet in (bound, self._unbound):
            try:
                return fernet.decrypt(token).decode()
            except InvalidToken:
                continue
        raise SettingsError(
            f"SECRETS_KEY does not open what is stored ({place}): put the key it was written with back into the list, "
            "or delete the row if it was copied from another one"
        )


def _fernet(key: bytes, place: str) -> Fernet:
    derived = hmac.new(key, f"tenant-hooks/{place}".encode(), hashlib.sha256).digest()
    return Fernet(base64.urlsafe_b64encode(derived))
