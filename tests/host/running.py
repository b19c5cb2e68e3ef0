"""Azurite and the function host as processes of their own."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
AZURITE = ROOT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
QUEUES: dict[str, Any] = {"messageEncoding": "none", "maxPollingInterval": "00:00:01"}


class Process:
    """A child whose output lines can be waited for."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._child = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout
        with self._child.stdout as output:
            for line in output:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, pattern: str, count: int = 1, timeout: float = 20) -> list[str]:
        """The first `count` lines that match; fails when the process ends or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self.matching(pattern)) >= count, timeout)
            found = self.matching(pattern)
            assert len(found) >= count, f"not {count} times {pattern!r} in:\n" + "\n".join(self._lines)
            return found[:count]

    def matching(self, pattern: str) -> list[str]:
        return [line for line in list(self._lines) if re.search(pattern, line)]

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def output(self) -> str:
        return "\n".join(self._lines)

    def ask_to_stop(self) -> None:
        self._child.send_signal(signal.SIGTERM)

    def close_stdin(self) -> None:
        assert self._child.stdin
        self._child.stdin.close()

    def wait(self, timeout: float = 20) -> int:
        """The exit status, once it ends by itself."""
        status = self._child.wait(timeout)
        self._reader.join(timeout)
        return status

    def kill(self) -> None:
        self._child.kill()
        self.wait()
        if self._child.stdin:
            self._child.stdin.close()


class Host(Process):
    """The function host, running the app in `folder`."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], arguments: tuple[str, ...], python: str = sys.executable
    ) -> None:
        super().__init__([python, "-m", "local.host", "--port", "0", *arguments], folder, environment)

    @property
    def url(self) -> str:
        return self.wait_for("Listening on ")[0].rpartition(" ")[2]

    def seen(self, name: str, count: int) -> list[dict[str, Any]]:
        """What the app's function wrote with `logging.info("SEEN <name> <json>")`, `count` times."""
        return [json.loads(line.partition(f"SEEN {name} ")[2]) for line in self.wait_for(f"SEEN {name} ", count)]


def write_app(folder: Path, source: str, host_json: dict[str, Any] | None = None) -> Path:
    """A function app in `folder`; `seen(name, **what)` in its source tells the test what a function saw."""
    folder.mkdir(parents=True, exist_ok=True)
    prelude = (
        "import asyncio, json, logging, os, threading, time\n"
        "import azure.functions as func\n"
        "app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)\n"
        "def seen(name, **what):\n"
        "    logging.info('SEEN %s %s', name, json.dumps(what, default=str))\n"
    )
    (folder / "function_app.py").write_text(prelude + source, "utf-8")
    document = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}, "queues": QUEUES}}
    (folder / "host.json").write_text(json.dumps(host_json or document), "utf-8")
    return folder


def host_json(**queues: Any) -> dict[str, Any]:
    settings = {"messageEncoding": "none", "maxPollingInterval": "00:00:00.500", "visibilityTimeout": "00:00:01"}
    return {"version": "2.0", "extensions": {"queues": {**settings, **queues}}}


def host_environment(storage: str, settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("Azure")}
    return {**inherited, "PYTHONPATH": str(ROOT), "AzureWebJobsStorage": storage, **settings}
