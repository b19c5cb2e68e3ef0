"""Failures in an admin's words: what aiohttp, asyncio and OpenSSL raise, and what becomes of it."""

import errno
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from shared.outbound.failures import (
    CLOSED,
    CLOSED_IN_HANDSHAKE,
    INVALID,
    UNKNOWN_NAME,
    ConnectionEnded,
    RefusedAddress,
    Unresolved,
    in_words,
)

PLACE = ("http", "receiver.example", 80)
OVER_TLS = ("https", "receiver.example", 443)
KEY = ConnectionKey("receiver.example", 80, False, True, None, None, None)


def not_connected(cause: OSError) -> aiohttp.ClientConnectorError:
    return aiohttp.ClientConnectorError(KEY, cause)


def ended(cause: BaseException) -> ConnectionEnded:
    error = ConnectionEnded()
    error.__cause__ = cause
    return error


def of_tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] something (_ssl.c:1)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (not_connected(OSError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 80)")), "connection refused"),
        (not_connected(OSError(errno.EHOSTUNREACH, "whatever")), "No route to host"),
        (not_connected(TimeoutError()), "timed out"),
        (not_connected(ConnectionResetError()), CLOSED),
        (
            not_connected(
                OSError("Multiple exceptions: [Errno 111] Connect call failed ('10.0.0.1', 80), [Errno 101] x")
            ),
            "connection refused, Network is unreachable",
        ),
    ],
)
def test_what_prevents_a_connection_is_told_by_its_number(error: OSError, words: str) -> None:
    assert in_words(error, PLACE) == f"no connection to receiver.example port 80: {words}"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ended(aiohttp.ServerDisconnectedError()), CLOSED),
        (ended(aiohttp.ClientOSError(None, "Can not write request body for http://r/?code=hidden")), CLOSED),
        (ended(aiohttp.ClientOSError(errno.EPIPE, "Can not write request body for http://r/?code=hidden")), CLOSED),
        (ended(aiohttp.ClientOSError(errno.ENETDOWN, "Can not write http://r/?code=hidden")), "Network is down"),
        (aiohttp.ClientPayloadError("hidden"), INVALID),
        (not_connected(Unresolved("the name a does not resolve (x)")), "the name a does not resolve (x)"),
        (not_connected(RefusedAddress("refused: why")), "refused: why"),
        (ended(of_tls("TLSV1_UNRECOGNIZED_NAME")), UNKNOWN_NAME),
        (not_connected(of_tls("SOMETHING_NEW")), "TLS failed: something new"),
    ],
)
def test_other_failures_are_told_without_the_url(error: Exception, words: str) -> None:
    assert in_words(error, PLACE) == words


def test_a_connection_closed_in_a_handshake_is_told_from_one_not_made() -> None:
    assert in_words(not_connected(ConnectionResetError()), OVER_TLS) == CLOSED_IN_HANDSHAKE
