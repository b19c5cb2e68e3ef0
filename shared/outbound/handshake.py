"""TLS that says more of why it fails, and fails where it is used to keep this side busy."""

import ssl
from typing import Any, Self

_WRAPPING_SHARE = 4
_MOST_WRAPPING_BYTES = 48 * 1024
"""Of one answer, what may come beyond `_WRAPPING_SHARE` times the data in it: ten milliseconds' work. A record is 22
bytes longer than its data, so only a receiver that sends records of a few bytes, or without any, comes near it."""


class OnlyWrapping(ssl.SSLError):
    """The receiver sends session tickets, new keys or records of a byte, again and again: nothing, or next to nothing,
    that would count as an answer and be enough at some time."""


class ClientCertificateWanted(ssl.SSLError):
    """The receiver ended the handshake although a cipher was agreed on: it wants what this client has not shown."""


class Handshake(ssl.SSLObject):
    """Bounds what may come beside data, and tells apart the two meanings of the alert `handshake_failure` in TLS 1.2:
    no common cipher, which comes in place of the receiver's first message, and no client certificate, which comes after
    a cipher has been chosen."""

    incoming: ssl.MemoryBIO
    """Where the event loop puts what was received."""

    wrapping_bytes = 0
    """What has come beside data; to be set to 0 for each answer."""

    @classmethod
    def _create(cls, incoming: ssl.MemoryBIO, *args: Any, **kwargs: Any) -> Self:
        made: Self = super()._create(incoming, *args, **kwargs)  # type: ignore[misc]  # what wrap_bio calls
        made.incoming = incoming
        return made

    def read(self, *args: Any, **kwargs: Any) -> bytes:
        """Also raises OnlyWrapping."""
        waiting, found = self.incoming.pending, b""
        try:
            found = super().read(*args, **kwargs)
        finally:
            self._note(waiting - self.incoming.pending, len(found))
        return found

    def _note(self, received: int, data: int) -> None:
        self.wrapping_bytes = max(self.wrapping_bytes + received - _WRAPPING_SHARE * data, 0)
        if self.wrapping_bytes > _MOST_WRAPPING_BYTES:
            raise OnlyWrapping("more wrapping than data")

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            if error.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE" and self.cipher() is not None:
                raise ClientCertificateWanted(*error.args) from error
            raise
