"""TLS that says more of why it fails."""

import ssl
from typing import Any, Self


class ClientCertificateWanted(ssl.SSLError):
    """The receiver ended the handshake although a cipher was agreed on: it wants what this client has not shown."""


class Handshake(ssl.SSLObject):
    """Tells apart the two meanings of the alert `handshake_failure` in TLS 1.2: no common cipher, which comes in place
    of the receiver's first message, and no client certificate, which comes after a cipher has been chosen."""

    incoming: ssl.MemoryBIO
    """Where the event loop puts what was received."""

    @classmethod
    def _create(cls, incoming: ssl.MemoryBIO, *args: Any, **kwargs: Any) -> Self:
        made: Self = super()._create(incoming, *args, **kwargs)  # type: ignore[misc]  # what wrap_bio calls
        made.incoming = incoming
        return made

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            if error.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE" and self.cipher() is not None:
                raise ClientCertificateWanted(*error.args) from error
            raise
