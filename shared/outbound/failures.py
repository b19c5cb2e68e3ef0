"""Failures of a connection in an admin's words; never with a path, a query or a header."""

import ssl
from collections.abc import Iterator

import aiohttp

from shared.outbound.connection import RefusedAddress, Unresolved

NOT_TLS = "the port does not speak TLS: is the URL's port right, and is it https there?"
NO_COMMON_VERSION = "the receiver speaks no TLS 1.2 or newer"
NO_COMMON_CIPHER = "the receiver and Tenant Hooks have no cipher in common"
WANTS_A_CERTIFICATE = "the receiver wants a client certificate, and Tenant Hooks has none: let it in without"

_TLS_REASONS = {
    "WRONG_VERSION_NUMBER": NOT_TLS,
    "HTTP_REQUEST": NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": NOT_TLS,
    "RECORD_LAYER_FAILURE": NOT_TLS,
    "UNSUPPORTED_PROTOCOL": NO_COMMON_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": NO_COMMON_VERSION,
    "NO_PROTOCOLS_AVAILABLE": NO_COMMON_VERSION,
    "NO_SHARED_CIPHER": NO_COMMON_CIPHER,
    "NO_CIPHERS_AVAILABLE": NO_COMMON_CIPHER,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the receiver refused the TLS handshake: it may want a client certificate, or no "
    "cipher fits",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": NO_COMMON_CIPHER,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": WANTS_A_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": WANTS_A_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": WANTS_A_CERTIFICATE,
    "TLSV1_UNRECOGNIZED_NAME": "the receiver does not know this host name (SNI)",
    "TLSV1_ALERT_UNRECOGNIZED_NAME": "the receiver does not know this host name (SNI)",
    "TLSV1_ALERT_INTERNAL_ERROR": "TLS failed in the receiver: it may not know this host name (SNI)",
}
"""By OpenSSL's reason; some names differ between its versions."""


def in_words(error: BaseException, host: str, port: int) -> str:
    """What an attempt ended in."""
    for cause in _causes(error):
        if isinstance(cause, RefusedAddress | Unresolved):
            return str(cause)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate was not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError) and cause.reason:
            return _of_tls(cause.reason)
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {host} port {port}: {_reason_of(error.os_error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed before an answer came"
    if isinstance(error, OSError):
        return _reason_of(error)
    return "the answer was not valid HTTP"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The failure and what lies behind it, as long as that is told."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (getattr(cause, "os_error", None), getattr(cause, "certificate_error", None))
        waiting += [cause.__cause__, cause.__context__, *(each for each in inner if isinstance(each, BaseException))]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions


def _of_tls(reason: str) -> str:
    return _TLS_REASONS.get(reason) or f"TLS failed: {reason.replace('_', ' ').lower()}"


def _reason_of(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "the connection was closed before an answer came"
    strerror = getattr(error, "strerror", None)
    return strerror or type(error).__name__
