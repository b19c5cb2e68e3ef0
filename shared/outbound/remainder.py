"""What a receiver said last on a connection that then broke.

A receiver that does not want a body answers, or sends an alert of TLS, and closes; what is still being sent to it then
breaks the connection. The event loop reports the failed write and reads no more, although the answer lies there.
"""

import asyncio
import contextlib
import os
import socket
import ssl

from shared.outbound.handshake import Handshake

_MOST_BYTES = 64 * 1024


class Remainder:
    """A second descriptor of a connection's socket. To be closed with the connection, which ends with its last one."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self._socket.setblocking(False)
        self._tls: Handshake | None = transport.get_extra_info("ssl_object")

    def close(self) -> None:
        self._socket.close()

    def read(self) -> tuple[bytes, ssl.SSLError | None]:
        """What the loop left unread, and the alert of TLS in which it ends, if it does."""
        received = bytearray()
        with contextlib.suppress(OSError):  # nothing more, or the end
            while len(received) < _MOST_BYTES and (part := self._socket.recv(_MOST_BYTES)):
                received += part
        return (bytes(received), None) if self._tls is None else _decrypted(self._tls, bytes(received))


def _decrypted(tls: Handshake, received: bytes) -> tuple[bytes, ssl.SSLError | None]:
    tls.incoming.write(received)
    plain = bytearray()
    try:
        while part := tls.read(_MOST_BYTES):
            plain += part
    except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
        return bytes(plain), None
    except ssl.SSLError as alert:
        return bytes(plain), alert
    return bytes(plain), None
