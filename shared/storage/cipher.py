"""Encryption of what a leaked table must not give away: endpoint URLs, secrets and signature keys."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.settings import SettingsError


class Cipher:
    """Encrypts with the first key of SECRETS_KEY and decrypts with any, so that keys can be rotated."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._first = Fernet(keys[0])

    def encrypt(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def is_current(self, token: str) -> bool:
        """Whether the first key alone opens it."""
        try:
            self._first.decrypt(token)
        except InvalidToken:
            return False
        return True

    def decrypt(self, token: str) -> str:
        """Raises SettingsError where no key fits."""
        try:
            return self._fernet.decrypt(token).decode()
        except InvalidToken:
            raise SettingsError(
                "SECRETS_KEY does not open what is stored: put the key it was written with back into the list"
            ) from None
