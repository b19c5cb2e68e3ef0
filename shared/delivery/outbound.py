"""One POST to a receiver: only to a checked address, and over within its deadline whatever the receiver does.

`urllib3` keeps the connections; three things are added to it here. A connection dials an address that passed the
guard, while SNI, certificate and Host keep the name. The request line carries the endpoint's path and query byte for
byte, where urllib3 would normalise them. A watchdog shuts the socket down at the deadline, because the timeout of a
socket starts anew with every byte that drips in.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from shared import __version__
from shared.delivery.addresses import AddressPolicy, Refused, Target, read_url, refused_address
from shared.delivery.resolver import NotInTime, Resolve, Resolver, resolve_by_system
from shared.delivery.schedule import read_retry_after
from shared.delivery.watchdog import Watchdog

DEADLINE = timedelta(seconds=30)
"""For everything: name, connection, TLS, headers, body (seed 004: "responds within 30 seconds")."""

RESPONSE_BYTES = 2048
"""How much of an answer is read, for the log."""

USER_AGENT = f"TenantHooks/{__version__}"


@dataclass(frozen=True)
class Answer:
    """The receiver answered. `response` is at most RESPONSE_BYTES of the body, as text."""

    status: int
    response: str | None
    retry_after: timedelta | None


@dataclass(frozen=True)
class NoAnswer:
    """Nothing usable came back, or nothing was sent; `error` says why in an admin's words, without path or query."""

    error: str


class _Stopped(Exception):
    """Ends an attempt from inside urllib3; the text is the error to report."""


class _Attempt:
    """What the connection of this thread must know about the attempt it serves."""

    def __init__(self, target: Target, guard: "Outbound", ends_at: float) -> None:
        self.target = target
        self.guard = guard
        self.ends_at = ends_at
        self.over = False
        self._expired = False
        self._socket: socket.socket | None = None

    @property
    def remaining(self) -> float:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise _Stopped(self.guard.too_late)
        return left

    def use(self, handle: socket.socket) -> None:
        self._socket = handle
        if self._expired:
            raise _Stopped(self.guard.too_late)

    def expire(self) -> None:
        """Called by the watchdog: the read or write that is under way ends at once."""
        self._expired = True
        if self._socket is not None and not self.over:
            _shut(self._socket)


_current = threading.local()


class _Guarded(HTTPConnection):
    """A connection to a checked address. `_handle` is a second descriptor of its socket: TLS takes the first away."""

    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        attempt: _Attempt = _current.attempt
        sock = attempt.guard.dial(attempt)
        self._handle = sock.dup()
        attempt.use(self._handle)
        return sock

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        attempt: _Attempt = _current.attempt
        if self._handle is not None:
            attempt.use(self._handle)
        super().putrequest(method, attempt.target.path, skip_host, skip_accept_encoding)

    def close(self) -> None:
        super().close()
        if self._handle is not None:
            self._handle.close()
            self._handle = None


class _GuardedTLS(_Guarded, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTLS


class Outbound:
    """Posts to receivers. One for a process: it owns the connections, the resolver threads and the watchdog."""

    def __init__(
        self,
        policy: AddressPolicy,
        deadline: timedelta = DEADLINE,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._deadline = deadline
        self._resolver = Resolver(resolve or resolve_by_system)
        self._watchdog = Watchdog()
        self.too_late = f"no complete answer within {deadline.total_seconds():g} s"
        self._pools = urllib3.PoolManager(num_pools=1000, maxsize=32, ssl_context=tls or _tls_context())
        self._pools.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def check(self, url: str, within: timedelta) -> Refused | None:
        """Why nothing will ever be sent to this URL, for an early error. A name that does not resolve now is let pass:
        the receiver may come later, and every attempt looks again."""
        target = read_url(url, self._policy)
        if isinstance(target, Refused):
            return target
        try:
            addresses = self._resolver.addresses(target.host, target.port, within.total_seconds())
        except (OSError, NotInTime):
            return None
        return refused_address(target.host, addresses, self._policy)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer | NoAnswer:
        """Makes one POST; never raises for what a receiver, its name or its certificate does."""
        target = read_url(url, self._policy)
        if isinstance(target, Refused):
            return NoAnswer(f"refused: {target.reason}")
        attempt = _Attempt(target, self, time.monotonic() + self._deadline.total_seconds())
        _current.attempt = attempt
        self._watchdog.watch(attempt)
        try:
            return self._exchange(attempt, headers, body)
        except _Stopped as stopped:
            return NoAnswer(str(stopped))
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            late = time.monotonic() >= attempt.ends_at
            return NoAnswer(self.too_late if late else _in_words(error))
        finally:
            attempt.over = True

    def dial(self, attempt: _Attempt) -> socket.socket:
        """A connected socket to the first checked address that takes one."""
        host, port = attempt.target.host, attempt.target.port
        try:
            addresses = self._resolver.addresses(host, port, attempt.remaining)
        except NotInTime:
            raise _Stopped(f"the name {host} was not resolved within {self._deadline.total_seconds():g} s") from None
        except OSError as error:
            raise _Stopped(f"the name {host} does not resolve ({error.strerror or error})") from None
        refused = refused_address(host, addresses, self._policy)
        if refused is not None:
            raise _Stopped(f"refused: {refused.reason}")
        failure: OSError = OSError("the name has no address")
        for address in addresses:
            try:
                sock = socket.create_connection((address, port), timeout=attempt.remaining)
            except OSError as error:
                failure = error
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        attempt.remaining  # noqa: B018 (raises when the deadline was the reason)
        raise _Stopped(f"no connection to {host} port {port}: {_reason(failure)}")

    def _exchange(self, attempt: _Attempt, headers: Mapping[str, str], body: bytes) -> Answer:
        target = attempt.target
        pool = self._pools.connection_from_host(target.host, target.port, target.scheme)
        response = pool.urlopen(
            "POST",
            "/",  # the real request line is written by the connection
            body=body,
            headers={**headers, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            redirect=False,
            retries=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=attempt.remaining, read=attempt.remaining),
            preload_content=False,
            decode_content=False,
        )
        whole = False
        try:
            text = response.read(RESPONSE_BYTES + 1, decode_content=False)
            whole = len(text) <= RESPONSE_BYTES
            attempt.remaining  # noqa: B018 (a connection shut at the deadline reads as the end of the body)
        finally:
            if whole:
                response.release_conn()
            else:
                response.close()
        return Answer(
            response.status,
            text[:RESPONSE_BYTES].decode(errors="replace") or None,
            read_retry_after(response.headers.get("Retry-After"), datetime.now(UTC)),
        )


def _tls_context() -> ssl.SSLContext:
    """The system's authorities and Mozilla's: some machines have only one of the two."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was closed by the receiver meanwhile, which ends the attempt just as well


def _in_words(error: BaseException) -> str:
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
    return _reason(cause)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):  # RemoteDisconnected is one too
        return "the connection was closed before an answer came"
    strerror = getattr(error, "strerror", None)
    return strerror or type(error).__name__
