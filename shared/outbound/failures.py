"""Failures of a connection in an admin's words; never with a path or query."""

import http.client
import ssl
from typing import Any

import urllib3


def in_words(error: BaseException) -> str:
    """The innermost cause in an admin's words."""
    cause: Any = error
    while True:
        inner = next((part for part in cause.args if isinstance(part, BaseException)), None)
        inner = inner or getattr(cause, "reason", None)
        if not isinstance(inner, BaseException) or inner is cause:
            break
        cause = inner
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {(cause.reason or 'unknown reason').replace('_', ' ').lower()}"
    if not isinstance(cause, OSError) and isinstance(
        cause, http.client.HTTPException | urllib3.exceptions.HTTPError | ValueError
    ):
        return "the answer was not valid HTTP"
    return reason_of(cause)


def reason_of(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):  # RemoteDisconnected is one too
        return "the connection was closed before an answer came"
    strerror = getattr(error, "strerror", None)
    return strerror or type(error).__name__
