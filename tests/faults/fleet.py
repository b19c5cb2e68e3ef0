"""Receivers that misbehave, each in a way of its own: raw sockets, served by one event loop."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from local.ports import LOOPBACK

Misbehaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _head(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")


def says(answer: bytes, *, keeps: bool = True) -> Misbehaviour:
    """Answers every request so; hangs up after the first one where it does not keep its connections."""

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await _head(reader)
            writer.write(answer)
            await writer.drain()
            if not keeps:
                return

    return answering


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(1)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.transport.abort()


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.write(b"HTTP/1.1 500 Oh\r\n\r\n")
    while True:
        writer.write(b"z" * 2**16)
        await writer.drain()


async def continues(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)
        await writer.drain()
        await asyncio.sleep(0.1)


def _status(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", ""]).encode()


FLEET: dict[str, Misbehaviour] = {
    "hangs": hangs,
    "drips": drips,
    "resets": resets,
    "floods": floods,
    "continues": continues,
    "garbage": says(b"\x00\xff garbage \r\n\r\n", keeps=False),
    "errs": says(_status("500 Oh")),
    "redirects": says(_status("302 Found", "Location: http://127.0.0.1:1/")),
    "gone": says(_status("410 Gone")),
    "abuses-retry-after": says(_status("503 Busy", f"Retry-After: {10**12}")),
    "closes": says(_status("200 OK"), keeps=False),
}
"""All but `closes` and `drips` take nothing."""


@contextlib.asynccontextmanager
async def serving(misbehave: Misbehaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The URL of a receiver."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await misbehave(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the app, or the test, has had enough of it
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=tls)
    try:
        yield f"http{'s' if tls else ''}://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
