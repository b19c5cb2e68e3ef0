"""Failures of a connection in an admin's words; never with a path, a query or a header."""

import errno
import os
import re
import ssl
from collections.abc import Iterator

import aiohttp

from shared.outbound.exchange import Place
from shared.outbound.handshake import ClientCertificateWanted, OnlyWrapping

CLOSED = "the connection was closed before an answer came"
INVALID = "the answer was not valid HTTP"
SPEAKS_TLS = "the port speaks TLS: the URL must start with https://"
OTHER_PROTOCOL = "the receiver answered 101 to change the protocol: it must answer a POST with 2xx"
TOO_LONG_HEAD = "the answer's headers did not come to an end: the receiver must send fewer"

NOT_TLS = "TLS failed: the port does not speak TLS: check the URL's port, and whether it is https there"
CLOSED_IN_HANDSHAKE = (
    "TLS failed: the connection was closed during the handshake: check the URL's port and host name, and whether it is "
    "https there"
)
TOO_OLD = "TLS failed: the receiver's version of TLS is too old: it must speak TLS 1.2 or 1.3"
NO_COMMON_CIPHER = "TLS failed: no cipher in common: the receiver must allow a usual one of TLS 1.2 or 1.3"
WANTS_A_CERTIFICATE = (
    "TLS failed: the receiver wants a client certificate, and none is ever sent: it must let this path in without one"
)
ONLY_WRAPPING = "TLS failed: the receiver sends next to no data in it: it must send its answer in fewer, longer records"
UNKNOWN_NAME = "TLS failed: the receiver does not know this host name (SNI): check the URL"

_TLS_REASONS = {
    "WRONG_VERSION_NUMBER": NOT_TLS,
    "HTTP_REQUEST": NOT_TLS,
    "HTTPS_PROXY_REQUEST": NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": NOT_TLS,
    "RECORD_LAYER_FAILURE": NOT_TLS,
    "UNSUPPORTED_PROTOCOL": TOO_OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": TOO_OLD,
    "NO_PROTOCOLS_AVAILABLE": TOO_OLD,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": NO_COMMON_CIPHER,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": NO_COMMON_CIPHER,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": WANTS_A_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": WANTS_A_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": WANTS_A_CERTIFICATE,
    "TLSV1_UNRECOGNIZED_NAME": UNKNOWN_NAME,
    "TLSV1_ALERT_UNRECOGNIZED_NAME": UNKNOWN_NAME,
    "UNEXPECTED_EOF_WHILE_READING": CLOSED_IN_HANDSHAKE,
}
"""By OpenSSL's reason; some differ between its versions."""

_PUBLIC_AUTHORITY = "use one from an authority that the system or Mozilla's list trusts"
_CERTIFICATE_HINTS = {
    9: "correct its dates",
    10: "renew it",
    18: _PUBLIC_AUTHORITY,
    19: _PUBLIC_AUTHORITY,
    20: f"send the intermediate certificates too, and {_PUBLIC_AUTHORITY}",
    21: f"send the intermediate certificates too, and {_PUBLIC_AUTHORITY}",
    62: "use one for the host name in the URL",
    64: "use one for the address in the URL, or a URL with a host name",
}
"""What to do, by OpenSSL's `X509_V_ERR_…`."""

_CLOSED_ERRNOS = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ESHUTDOWN, errno.ENOTCONN})


class RefusedAddress(OSError):
    """The name resolves to an address to which nothing may be sent; the text says why."""


class Unresolved(OSError):
    """The name does not resolve."""


class ConnectionEnded(aiohttp.ClientError):
    """The connection ended before the answer's head; aiohttp does not ask again by itself on this one."""


def in_words(error: BaseException, place: Place) -> str:
    """What an attempt ended in."""
    scheme, host, port = place
    for cause in _causes(error):
        if isinstance(cause, RefusedAddress | Unresolved):
            return str(cause)
        if isinstance(cause, ssl.SSLCertVerificationError) and not isinstance(cause, aiohttp.ClientError):
            return _of_certificate(cause)
        if isinstance(cause, ClientCertificateWanted):
            return WANTS_A_CERTIFICATE
        if isinstance(cause, OnlyWrapping):
            return ONLY_WRAPPING
        if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None):
            return _of_tls(cause.reason)
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = _reason_of(error.os_error)
        if reason == CLOSED and scheme == "https":
            return CLOSED_IN_HANDSHAKE
        return f"no connection to {host} port {port}: {reason}"
    if isinstance(error, ConnectionEnded):
        numbers = [cause.errno for cause in _causes(error) if isinstance(cause, OSError) and cause.errno]
        return _reason_of_number(numbers[0]) if numbers else CLOSED
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return CLOSED
    if isinstance(error, OSError):
        return _reason_of(error)
    return INVALID


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


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    said = f"the certificate was not accepted: {error.verify_message.rstrip('.')}"
    hint = _CERTIFICATE_HINTS.get(error.verify_code)
    return f"{said}: {hint}" if hint else said


def _of_tls(reason: str) -> str:
    return _TLS_REASONS.get(reason) or f"TLS failed: {reason.replace('_', ' ').lower()}"


def _reason_of(error: BaseException) -> str:
    """Of the numbers alone: what aiohttp writes beside them names the URL."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return CLOSED
    if isinstance(error, OSError) and error.errno:
        return _reason_of_number(error.errno)
    several = re.findall(r"\[Errno (\d+)\]", str(error))  # of a name's addresses, where their failures differ
    return ", ".join(dict.fromkeys(_reason_of_number(int(each)) for each in several)) or type(error).__name__


def _reason_of_number(number: int) -> str:
    if number in _CLOSED_ERRNOS:
        return CLOSED
    return "connection refused" if number == errno.ECONNREFUSED else os.strerror(number)
