"""What stands between a connection and aiohttp's reading of it, so that no receiver can harm an attempt or the loop.

A head goes on when it is complete, and alone; interim answers do not go on; a body goes on in small parts, each in a
turn of the loop of its own, and only so much of it. What nobody has asked for ends the connection.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from shared.outbound.exchange import RESPONSE_BYTES, Exchange, Place
from shared.outbound.failures import INVALID, OTHER_PROTOCOL, SPEAKS_TLS, TOO_LONG_HEAD
from shared.outbound.handshake import Handshake
from shared.outbound.head import Head, find_end, may_be_http, read_head
from shared.outbound.idle import IdleConnections
from shared.outbound.remainder import Remainder

HEAD_BYTES = 256 * 1024
"""The most that is taken before an answer's body, interim answers included."""

INTERIM_ANSWERS = 100
"""The most that are passed over; one every third of a second of an attempt."""

BODY_BYTES = 64 * 1024
"""The most that is taken of a body as it comes over the wire, though far less of it is kept."""

_PART_BYTES = 4096
"""What aiohttp reads of a body in a millisecond, even of the smallest chunks."""

_TLS_RECORD = (0x15, 0x16)
"""The first byte of an alert and of a handshake (RFC 8446, section 5.1)."""


class Reader(Protocol):
    """aiohttp's protocol of a connection, as far as it is needed here."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self, exc: BaseException | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def force_close(self) -> None: ...
    @property
    def should_close(self) -> bool: ...


@dataclass
class _Answer:
    """What has come of an answer."""

    taken: int = 0
    """Bytes, up to the end of the head."""
    begun: bytearray = field(default_factory=bytearray)
    """A head that is not complete yet."""
    begins_well: bool = False
    """Whether its first line has come, and is a status line."""
    interim: int = 0
    """Heads that were passed over."""
    head: Head | None = None
    body_bytes: int = 0
    last: bytes = b""
    """The last four bytes of the body."""

    def is_complete(self) -> bool:
        """Whether it ended where its head said, as far as bytes tell, and was short enough to be read to its end."""
        if self.head is None or self.body_bytes > RESPONSE_BYTES:
            return False
        if not self.head.has_body:
            return self.body_bytes == 0 and not self.head.announces_body
        if self.head.length is not None:
            return self.body_bytes == self.head.length
        return self.last == b"\r\n\r\n"  # of chunks; another body without a length ends with its connection


class Relay(asyncio.Protocol):
    """The protocol of one connection's transport, from its first exchange on. `idle_seconds` is how long it stays open
    between two."""

    def __init__(
        self, transport: asyncio.Transport, reader: Reader, idle: IdleConnections, idle_seconds: float
    ) -> None:
        self._transport = transport
        self._reader = reader
        self._idle = idle
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._place: Place | None = None
        self._exchange: Exchange | None = None
        self._waiting = bytearray()
        self._lost = False
        self._cause: BaseException | None = None
        self._tls: Handshake | None = transport.get_extra_info("ssl_object")
        self._remainder = Remainder(transport)
        self._answer = _Answer()

    def begin(self, exchange: Exchange) -> None:
        """The connection serves this exchange from now on."""
        self._use()
        self._answer = _Answer()
        self._exchange = exchange
        if self._tls is not None:
            self._tls.wrapping_bytes = 0

    def end(self) -> None:
        """The exchange is over. The connection stays open where nothing is left on it in either direction, and where
        its receiver is not kept from others by it."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        exchange.settle()
        open_still = not self._reader.should_close and not self._transport.is_closing()
        if open_still and self._is_clean() and self._idle.may_keep(exchange.place):
            self._place = exchange.place
            self._idle.add(self._place, self)
            self._timer = self._loop.call_later(self._idle_seconds, self.close)
        else:
            self._reader.force_close()
            self._transport.abort()

    def close(self) -> None:
        """Ends an idle connection. The receiver is told in TLS too; its answer to that is not waited for."""
        self._use()
        if not self._transport.is_closing():  # asyncio lets go of TLS at a second close, and cannot abort it then
            self._transport.close()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._exchange is None:
            self._transport.abort()  # it would be read as the answer to the next request
            return
        self._exchange.heard()
        if self._answer.head is None:
            data = self._take_head(self._answer, data)
        if self._waiting or len(data) > _PART_BYTES:
            self._queue(data)
        elif data:
            self._take_body(self._answer, data)

    def eof_received(self) -> None:
        # The other side will send no more, so there is no use in sending it the rest of a request.
        self._loop.call_soon(self._transport.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._use()
        if isinstance(exc, OSError) and self._exchange is not None and self._answer.head is None:
            exc = self._read_remainder(exc)
        self._remainder.close()
        self._lost, self._cause = True, exc
        if not self._waiting:
            self._reader.connection_lost(exc)

    def _read_remainder(self, exc: OSError) -> OSError:
        """Takes what came before the connection broke; returns what it broke of."""
        received, alert = self._remainder.read()
        if received:
            self.data_received(received)
        return alert or exc

    def pause_writing(self) -> None:
        self._reader.pause_writing()

    def resume_writing(self) -> None:
        self._reader.resume_writing()

    def _queue(self, data: bytes) -> None:
        """Has more of the body taken than is good to take at once; what is too much in any case is left out."""
        begun = bool(self._waiting)
        self._waiting += data[: BODY_BYTES + 1 - self._answer.body_bytes - len(self._waiting)]
        if not begun:
            self._take_next()

    def _take_next(self) -> None:
        part = bytes(self._waiting[:_PART_BYTES])
        del self._waiting[:_PART_BYTES]
        if self._exchange is None:
            self._waiting.clear()
        else:
            self._take_body(self._answer, part)
        if self._waiting:
            self._loop.call_soon(self._take_next)
        elif self._lost:
            self._reader.connection_lost(self._cause)

    def _take_head(self, answer: _Answer, data: bytes) -> bytes:
        """Returns what follows a head that is now complete."""
        searched = len(answer.begun)
        answer.taken += len(data)
        answer.begun += data
        while (end := find_end(answer.begun, searched)) is not None:
            head = read_head(bytes(answer.begun[:end]))
            del answer.begun[:end]
            searched = 0
            if head is None:
                return self._fail(INVALID)
            if head.status == 101:
                return self._fail(OTHER_PROTOCOL)
            if not head.interim:
                return self._begin_body(answer, head)
            answer.interim, answer.begins_well = answer.interim + 1, False
            if answer.interim > INTERIM_ANSWERS:
                return self._fail(TOO_LONG_HEAD)
        if not answer.begins_well:  # else it is not looked at again, however long it is and in how many parts it comes
            if not may_be_http(answer.begun):
                return self._fail(SPEAKS_TLS if answer.begun[0] in _TLS_RECORD else INVALID)
            answer.begins_well = b"\n" in answer.begun
        if answer.taken > HEAD_BYTES:
            return self._fail(TOO_LONG_HEAD)
        return b""

    def _begin_body(self, answer: _Answer, head: Head) -> bytes:
        rest, answer.begun = bytes(answer.begun), bytearray()
        answer.head = head
        if self._exchange is not None:
            self._exchange.head = head
        self._pass_on(head.raw)
        return rest

    def _take_body(self, answer: _Answer, data: bytes) -> None:
        answer.body_bytes += len(data)
        answer.last = (answer.last + data)[-4:]
        if answer.body_bytes > BODY_BYTES:
            self._transport.abort()
        elif answer.head is not None and answer.head.has_body:
            self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        self._reader.data_received(data)
        if self._transport.is_closing():  # it cannot be read; the end of TLS is not waited for
            self._transport.abort()

    def _is_clean(self) -> bool:
        """Whether the request went out whole, and the answer came in whole, with nothing after it."""
        return not self._waiting and not self._transport.get_write_buffer_size() and self._answer.is_complete()

    def _fail(self, failure: str) -> bytes:
        if self._exchange is not None:
            self._exchange.failure = failure
        self._transport.abort()
        return b""

    def _use(self) -> None:
        """It is not idle any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._place is not None:
            self._idle.remove(self._place, self)
            self._place = None
