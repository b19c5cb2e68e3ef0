"""One request to a receiver: only to a checked address, and over within its deadline whatever the receiver does.

`urllib3` keeps the connections; three things are added to it here. A connection dials an address that passed the
guard, while SNI, certificate and Host keep the name. The request line carries the endpoint's path and query byte for
byte, where urllib3 would normalise them. A watchdog shuts the socket down at the deadline, because the timeout of a
socket starts anew with every byte that drips in.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from shared import __version__
from shared.model.retry_after import read_retry_after
from shared.outbound.addresses import AddressPolicy, Refused, Target, read_url, refused_address
from shared.outbound.failures import in_words, reason_of
from shared.outbound.resolver import NotInTime, Resolve, Resolver, resolve_by_system
from shared.outbound.watchdog import Watchdog

DEADLINE = timedelta(seconds=30)
"""For name, connection, TLS, headers and body together (SPScan's webhook documentation: "within 30 seconds")."""

RESPONSE_BYTES = 2048
"""How much of an answer is read, for the log."""

IDLE_SECONDS = 4.0
"""A connection unused for longer is not used again: many receivers close theirs after five seconds, and a request that
crosses with the closing would cost an attempt."""

CONNECTIONS_OF_A_HOST = 32
"""Kept open: as many as there are workers, since many endpoints may share a host, as those of Logic Apps do."""

logging.getLogger("urllib3.connection").setLevel(logging.ERROR)  # its warnings quote the receiver's headers

USER_AGENT = f"TenantHooks/{__version__}"


@dataclass(frozen=True)
class Answer:
    """The receiver answered. `response` is at most RESPONSE_BYTES of the body, as text."""

    status: int
    response: str | None
    retry_after: timedelta | None
    allowed_origin: str | None = None
    """`WebHook-Allowed-Origin` of the answer to OPTIONS."""


@dataclass(frozen=True)
class NoResponse:
    """Nothing usable came back, or nothing was sent; `error` says why in an admin's words, without path or query."""

    error: str


class _Stopped(Exception):
    """Ends an attempt from inside urllib3; the text is the error to report."""


class _Attempt:
    """What the connection of this thread must know about the attempt it serves."""

    def __init__(self, target: Target, guard: "Outbound", given: timedelta, spent: timedelta) -> None:
        self.target = target
        self.guard = guard
        self.given_seconds = f"{given.total_seconds():g} s"
        self.ends_at = time.monotonic() + (given - spent).total_seconds()
        self.over = False
        self._expired = False
        self._handle: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def too_late(self) -> str:
        return f"no complete answer within {self.given_seconds}"

    def left(self) -> float:
        """Seconds until the deadline; ends the attempt where it has passed."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise _Stopped(self.too_late)
        return left

    def use(self, sock: socket.socket) -> None:
        """Keeps a descriptor of its own: http.client closes a connection before the last body on it is read."""
        with self._lock:
            self._let_go()
            self._handle = sock.dup()
        if self._expired:
            raise _Stopped(self.too_late)

    def expire(self) -> None:
        """Called by the watchdog: the read or write that is under way ends at once."""
        with self._lock:
            self._expired = True
            if self._handle is not None:
                _shut(self._handle)

    def end(self) -> None:
        with self._lock:
            self.over = True
            self._let_go()

    def _let_go(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None


_current = threading.local()


class _Guarded(HTTPConnection):
    """A connection to a checked address. `_handle` is a second descriptor of its socket: TLS takes the first away."""

    _handle: socket.socket | None = None
    _used_at = 0.0

    def _new_conn(self) -> socket.socket:
        attempt: _Attempt = _current.attempt
        sock = attempt.guard.dial(attempt)
        self._handle = sock.dup()
        attempt.use(sock)
        return sock

    @property
    def is_connected(self) -> bool:
        """Asked by the pool before it uses a connection again."""
        return super().is_connected and time.monotonic() - self._used_at <= IDLE_SECONDS

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        attempt: _Attempt = _current.attempt
        if self._handle is not None:
            attempt.use(self._handle)
        self._used_at = time.monotonic()
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
        self._pools = urllib3.PoolManager(
            num_pools=200, maxsize=CONNECTIONS_OF_A_HOST, ssl_context=tls or _tls_context()
        )
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

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes, spent: timedelta = timedelta()
    ) -> Answer | NoResponse:
        """Makes one POST; never raises for what a receiver, its name or its certificate does. `spent` of the deadline
        is over already."""
        return self._request("POST", url, headers, body, self._deadline, spent)

    def ask(self, url: str, headers: Mapping[str, str], within: timedelta) -> Answer | NoResponse:
        """Makes one OPTIONS request, as guarded as a POST. The answer names the allowed origin."""
        return self._request("OPTIONS", url, headers, None, within, timedelta())

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        given: timedelta,
        spent: timedelta,
    ) -> Answer | NoResponse:
        target = read_url(url, self._policy)
        if isinstance(target, Refused):
            return NoResponse(f"refused: {target.reason}")
        attempt = _Attempt(target, self, given, spent)
        _current.attempt = attempt
        self._watchdog.watch(attempt)
        try:
            return self._exchange(attempt, method, headers, body)
        except _Stopped as stopped:
            return NoResponse(str(stopped))
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            late = time.monotonic() >= attempt.ends_at
            return NoResponse(attempt.too_late if late else in_words(error))
        finally:
            attempt.end()

    def dial(self, attempt: _Attempt) -> socket.socket:
        """A connected socket to the first checked address that takes one."""
        host, port = attempt.target.host, attempt.target.port
        try:
            addresses = self._resolver.addresses(host, port, attempt.left())
        except NotInTime:
            raise _Stopped(f"the name {host} was not resolved within {attempt.given_seconds}") from None
        except OSError as error:
            raise _Stopped(f"the name {host} does not resolve ({error.strerror or error})") from None
        refused = refused_address(host, addresses, self._policy)
        if refused is not None:
            raise _Stopped(f"refused: {refused.reason}")
        failure: OSError = OSError("the name has no address")
        for left in range(len(addresses), 0, -1):
            address = addresses[-left]
            try:  # each of the addresses left gets its part of the time: the first may answer nothing
                sock = socket.create_connection((address, port), timeout=attempt.left() / left)
            except OSError as error:
                failure = error
                continue
            sock.settimeout(attempt.left())
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        attempt.left()  # raises where the deadline was the reason
        raise _Stopped(f"no connection to {host} port {port}: {reason_of(failure)}")

    def _exchange(self, attempt: _Attempt, method: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        target = attempt.target
        pool = self._pools.connection_from_host(target.host, target.port, target.scheme)
        response = pool.urlopen(
            method,
            "/",  # the real request line is written by the connection
            body=body,
            headers={**headers, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            redirect=False,
            retries=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=attempt.left(), read=attempt.left()),
            preload_content=False,
            decode_content=False,
        )
        retry_after = read_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        if response.status < 200:  # the real answer follows, and must not be taken for the next event's
            response.close()
            return Answer(response.status, None, retry_after)
        whole = False
        try:
            text = response.read(RESPONSE_BYTES + 1, decode_content=False)
            attempt.left()  # a connection shut at the deadline reads as the end of the body
            whole = len(text) <= RESPONSE_BYTES
        finally:
            attempt.end()  # before another attempt can have the connection
            if whole:
                response.release_conn()
            else:
                response.close()
        return Answer(
            response.status,
            text[:RESPONSE_BYTES].decode(errors="replace") or None,
            retry_after,
            response.headers.get("WebHook-Allowed-Origin") if method == "OPTIONS" else None,
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
