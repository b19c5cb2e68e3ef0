"""Child processes that end when the supervisor does."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO


async def spawn(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], output: IO[bytes] | int | None
) -> asyncio.subprocess.Process:
    """Start `command`, writing to `output` (None: the terminal; `subprocess.PIPE`: its `stdout`).

    Its standard input is a pipe that ends with this process, however this process ends: the command must end then.
    Ctrl+C in the terminal does not reach it, since the order of stopping is this process's to decide.
    """
    return await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=dict(environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=output,
        stderr=output and subprocess.STDOUT,
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask `process` to end and wait until it has."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.send_signal(signal.CTRL_BREAK_EVENT)  # the only request to end that a process can handle there
        else:
            process.terminate()
    await process.wait()


def tail(path: Path, lines: int = 20) -> str:
    """The last `lines` of a log file, indented."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


async def becomes_ready(process: asyncio.subprocess.Process, is_ready: Callable[[], Awaitable[bool]]) -> bool:
    """Ask `is_ready` until it says so (True) or `process` has ended (False)."""
    ended = asyncio.create_task(process.wait())
    try:
        while not ended.done():
            if await is_ready():
                return True
            await asyncio.wait([ended], timeout=0.05)
        return False
    finally:
        ended.cancel()
