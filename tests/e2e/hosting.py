"""The app in its function host, as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
QUEUES = "AzureFunctionsJobHost__extensions__queues__"
_OURS = (
    *("AZURE", "DANGEROUS_", "ENTRA_", "RETRY_", "TENANT_", "SECRETS_", "ALLOWED_", "DEDUPE_", "RETENTION_", "SSL_"),
    *("GRAPH_", "STORAGE_", "PROVISIONING_", "SHAREPOINT_", "SHARING_", "MANAGEMENT_"),
)

Record = dict[str, Any]
"""One of the app's own log lines, which are JSON objects."""


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these app settings instead of any that a developer has set."""
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(_OURS)}
    return {**inherited, "PYTHONIOENCODING": "utf-8", **settings}


class Process:
    """A child whose output is read as it comes, and can be waited for."""

    def __init__(self, command: list[str], settings: Mapping[str, str], folder: Path = ROOT) -> None:
        self.lines: list[str] = []
        self.records: list[Record] = []
        self._changed = threading.Condition()
        self._ended = False
        self._child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment({"PYTHONPATH": str(ROOT), **settings}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, name="output")
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_until(self, true: Callable[[], bool], within: float = 20) -> None:
        """Asks again after each line; fails when the process ends or the time is over."""
        with self._changed:
            came = self._changed.wait_for(lambda: true() or self._ended, within)
            assert came, f"not within {within} s, in:\n" + "\n".join(self.lines[-40:])
            assert true(), "the process ended first:\n" + "\n".join(self.lines[-40:])

    def wait_for_line(self, part: str, within: float = 20) -> str:
        self.wait_until(lambda: any(part in line for line in self.lines), within)
        return next(line for line in self.lines if part in line)

    def found(self, event: str, **fields: object) -> list[Record]:
        """The app's log lines of this name with these fields."""
        wanted = {"event": event, **fields}.items()
        return [record for record in list(self.records) if wanted <= record.items()]

    def wait_for(self, event: str, within: float = 20, **fields: object) -> Record:
        self.wait_until(lambda: bool(self.found(event, **fields)), within)
        return self.found(event, **fields)[0]

    def wait_for_count(self, event: str, count: int, within: float = 60) -> None:
        """Until this many of the app's log lines have this name."""
        self.wait_until(lambda: len(self.found(event)) >= count, within)

    def ask_to_stop(self) -> None:
        self._child.send_signal(signal.SIGTERM)

    def wait(self, within: float = 30) -> int:
        """The exit code, once it has ended."""
        code = self._child.wait(within)
        self._finish()
        return code

    def stop(self) -> int:
        """Ends it in order."""
        self.ask_to_stop()
        return self.wait()

    def kill(self) -> None:
        """SIGKILL: no time to finish anything."""
        self._child.kill()
        self._child.wait()
        self._finish()

    def _finish(self) -> None:
        self._reader.join()
        if self._child.stdin:
            self._child.stdin.close()

    def _read(self) -> None:
        assert self._child.stdout
        with self._child.stdout as output:
            for line in output:
                self._take(line.rstrip("\n"))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, line: str) -> None:
        _, found, text = line.partition(" tenant_hooks: ")
        with self._changed:
            self.lines.append(line)
            if found and text.startswith("{"):
                self.records.append(json.loads(text))
            self._changed.notify_all()


class Host(Process):
    """The function host with the app in `folder`, on a free port. `lease`: seconds for which a received message stays
    hidden."""

    def __init__(self, settings: Mapping[str, str], lease: int = 600, folder: Path = ROOT) -> None:
        command = [sys.executable, "-m", "local.host", "--port=0", f"--lease={lease}", "--exit-with-parent"]
        super().__init__(command, settings, folder)

    @property
    def url(self) -> str:
        return self.wait_for_line("Listening on ").rpartition(" ")[2]


def write_app(folder: Path, source: str) -> Path:
    """A folder with another function_app.py, under the app's own host.json."""
    folder.mkdir(exist_ok=True)
    (folder / "function_app.py").write_text(source)
    (folder / "host.json").write_bytes((ROOT / "host.json").read_bytes())
    return folder


@contextmanager
def hosting(settings: Mapping[str, str], lease: int = 600, folder: Path = ROOT) -> Iterator[Host]:
    """A host that is up, killed in the end if it has not ended before."""
    host = Host(settings, lease, folder)
    try:
        assert host.url
        yield host
    finally:
        host.kill()
