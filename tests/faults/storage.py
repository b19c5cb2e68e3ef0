"""An Azurite with its data on disk, which can be killed, frozen, stopped and started again on the same ports."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from doubles.background import Background
from e2e.api import eventually
from e2e.conftest import Storage
from e2e.hosting import ROOT
from local import azurite
from local.ports import free_ports

DATABASES = ("__azurite_db_queue__.json", "__azurite_db_queue_extent__.json", "__azurite_db_table__.json")


class Azurite(Storage):
    """Kept in `folder`. The emulator writes its tables and queues to disk every five seconds, each for itself, and when
    it is asked to end: a SIGKILL takes it back by up to so long, and its tables further than its queues or the reverse.
    """

    def __init__(self, background: Background, folder: Path) -> None:
        self._background, self._folder, self._port = background, folder, free_ports(3)
        super().__init__(azurite.connection_string(self._port), folder / "azurite.log")
        self._life = ExitStack()
        self.start()

    def start(self) -> None:
        running = azurite.running(ROOT, self._port, self._folder / "data", self.log)
        self._process = self._life.enter_context(self._background.entered(running))

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        self._life.close()

    def stop(self) -> None:
        """SIGTERM: it answers nothing more, saves what it has, and ends."""
        self._life.close()

    def wait_until_saved(self) -> float:
        """Until all that it has acknowledged by now is on disk; the value is now, on the monotonic clock."""
        now, at = time.time(), time.monotonic()
        files = [self._folder / "data" / name for name in DATABASES]
        eventually(lambda: min(file.stat().st_mtime for file in files), lambda saved_at: saved_at > now)
        return at

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and requests meanwhile, and answers none."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)
