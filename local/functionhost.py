"""The function host as a child process, started again when it dies."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp

from local import children
from local.hostlog import HostLog
from local.problem import Problem

DEATHS_AT_START_LIMIT = 3


class FunctionHost:
    """Runs the app on `port`; its output goes to `log`, or to the terminal."""

    def __init__(
        self,
        root: Path,
        port: int,
        lease_seconds: int,
        environment: Mapping[str, str],
        log: HostLog | None,
        pid_file: Path,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._root = root
        self._command = [sys.executable, "-m", "local.host", f"--port={port}", f"--lease={lease_seconds}"]
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._log = log
        self._reading: asyncio.Task[None] | None = None
        self._pid_file = pid_file
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> bool:
        """Whether the host came to run; False when it ended before it did."""
        self._process = await children.spawn(
            [*self._command, "--exit-with-parent"],
            folder=self._root,
            environment=self._environment,
            output=subprocess.PIPE if self._log else None,
        )
        if self._log and self._process.stdout:
            self._reading = asyncio.create_task(_hand_on(self._process.stdout, self._log))
        # For tests that kill it, to see that nothing is lost.
        self._pid_file.write_text(f"{self._process.pid}\n", encoding="ascii")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            if await children.becomes_ready(self._process, lambda: self._is_running(session)):
                return True
        await self._read_all()
        return False

    async def keep_running(self, say: Callable[[str], None]) -> None:
        """Start the host again whenever it ends, as the platform does. Raises Problem when it does not come back."""
        while True:
            assert self._process is not None, "start() comes first"  # noqa: S101
            code = await self._process.wait()
            await self._read_all()
            say(f"The function host ended by itself ({_in_words(code)}). Starting it again.")
            for _ in range(DEATHS_AT_START_LIMIT):
                if await self.start():
                    say(f"The function host runs again: {self.url}")
                    break
            else:
                raise Problem(f"The function host ended {DEATHS_AT_START_LIMIT} times in a row while starting.")

    async def stop(self) -> None:
        """Let the host finish what is in flight, and wait for its end."""
        if self._process is not None:
            await children.stop(self._process)
        await self._read_all()

    async def _read_all(self) -> None:
        """Until everything is taken that the host wrote before it ended."""
        if self._reading is not None:
            await self._reading

    async def _is_running(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(self.url + "/admin/host/status") as response:
                return response.ok and (await response.json()).get("state") == "Running"
        except (aiohttp.ClientError, TimeoutError):
            return False


async def _hand_on(written: asyncio.StreamReader, log: HostLog) -> None:
    while some := await written.read(2**16):
        log.take(some)
    log.ended()


def _in_words(code: int) -> str:
    return f"signal {-code}" if code < 0 and os.name == "posix" else f"exit code {code}"
