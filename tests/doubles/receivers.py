"""Receivers made of real sockets, each with a script of its own."""

import contextlib
import datetime
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence

import trustme

Script = Callable[[socket.socket, "Receiver"], None]
LOOPBACK = "127.0.0.1"


class Receiver:
    """Listens on a free loopback port and runs `script` for each connection, in a thread of its own. With
    `one_at_a_time` it takes a second connection up, and even its TLS, only once the first has ended."""

    def __init__(
        self,
        script: Script,
        tls: ssl.SSLContext | None = None,
        family: int = socket.AF_INET,
        *,
        one_at_a_time: bool = False,
    ) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.ending = threading.Event()
        self._script, self._tls = script, tls
        self._turn = threading.Lock() if one_at_a_time else contextlib.nullcontext()
        self.open: list[socket.socket] = []
        """A second descriptor of each connection."""
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("::1" if family == socket.AF_INET6 else LOOPBACK, 0), family=family)
        self.address, self.port = self._listener.getsockname()[:2]
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def url(self, path: str = "/", host: str = "receiver.example") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def await_closed(self, seconds: float | None = None) -> None:
        """Waits until every connection so far is closed on this side. Raises AssertionError where `seconds` are over
        before."""
        for thread in self._threads:
            thread.join(seconds)
            assert not thread.is_alive(), "a connection is still open"

    def end(self) -> None:
        self.ending.set()
        with contextlib.suppress(OSError):
            socket.create_connection((self.address, self.port), timeout=5).close()  # wakes the accept
        self._acceptor.join()
        self._listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.await_closed()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self.ending.is_set():
                connection.close()
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as servers do: what is sent is sent
            self.connections += 1
            self.open.append(connection.dup())
            thread = threading.Thread(target=self._serve, args=(connection, self.open[-1]))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, kept: socket.socket) -> None:
        with contextlib.suppress(OSError), kept, connection, self._turn:
            if self._tls is None:
                self._script(connection, self)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                    self._script(wrapped, self)


def read_request(connection: socket.socket) -> bytes | None:
    """One request, head and body; None where the connection ended instead."""
    data = read_head(connection)
    if data is None:
        return None
    head, _, begun = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    body = bytearray(begun)
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return None
        body += part
    return head + b"\r\n\r\n" + body


def read_head(connection: socket.socket) -> bytes | None:
    """The head of a request, and what came with it of the body; None where the connection ended instead."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    return data


def reset(connection: socket.socket, receiver: Receiver) -> None:
    """Ends the connection in the hard way."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for kept in receiver.open:
        kept.close()  # the last descriptor must go for the reset to be sent
    connection.close()


def answering(*answers: bytes) -> Script:
    """Answers each request of a connection with the next of `answers`, from then on with the last."""

    def script(connection: socket.socket, receiver: Receiver) -> None:
        while (request := read_request(connection)) is not None:
            receiver.requests.append(request)
            connection.sendall(answers[min(len(receiver.requests), len(answers)) - 1])

    return script


def closing(answer: bytes) -> Script:
    """Reads a request, answers it and closes the connection."""

    def script(connection: socket.socket, receiver: Receiver) -> None:
        receiver.requests.append(read_request(connection) or b"")
        connection.sendall(answer)

    return script


def dripping(start: bytes, drop: bytes) -> Script:
    """Reads the request, sends `start`, then `drop` twenty times a second for two seconds."""

    def script(connection: socket.socket, receiver: Receiver) -> None:
        read_request(connection)
        connection.sendall(start)
        for _ in range(40):
            if receiver.ending.wait(0.05):
                return
            connection.sendall(drop)
        receiver.ending.wait(0 if drop else None)

    return script


def silent(connection: socket.socket, receiver: Receiver) -> None:
    """Takes the connection and says nothing, not even of TLS."""
    receiver.ending.wait()


def header_of(request: bytes, name: str) -> str | None:
    lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    found = [line.partition(":")[2].strip() for line in lines if line.partition(":")[0].lower() == name.lower()]
    assert len(found) <= 1, f"{name} was sent {len(found)} times"
    return found[0] if found else None


def ok(body: bytes = b"", *headers: str) -> bytes:
    return answer("200 OK", body, *headers)


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def server_tls(
    authority: trustme.CA,
    names: Sequence[str] = ("receiver.example",),
    ends_at: datetime.datetime | None = None,
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    begins_at = None if ends_at is None else ends_at - datetime.timedelta(days=30)
    authority.issue_cert(*names, not_before=begins_at, not_after=ends_at).configure_cert(context)
    return context


@contextlib.contextmanager
def receiving(
    script: Script,
    tls: ssl.SSLContext | None = None,
    family: int = socket.AF_INET,
    *,
    one_at_a_time: bool = False,
) -> Iterator[Receiver]:
    receiver = Receiver(script, tls, family, one_at_a_time=one_at_a_time)
    try:
        yield receiver
    finally:
        receiver.end()
