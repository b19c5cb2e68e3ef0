"""Locks between processes, held through an open file: they end with the process that holds them, however it ends."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        with contextlib.suppress(OSError):
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            return True
        return False

    def _wait_for_lock(file: IO[bytes]) -> None:
        # LK_LOCK gives up after ten tries a second apart, which is less than an installation takes.
        while True:
            with contextlib.suppress(OSError):
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                return

    def _share_lock(file: IO[bytes]) -> None:
        """Windows lets nobody remove a file that runs: there is nothing to hold."""

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def _wait_for_lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)

    def _share_lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_SH)


class Held(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def locked(path: Path, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock on the file `path`, which is made where it is missing and left behind.

    While another process holds it: with `on_wait`, call that once and wait; without, raise Held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if not _try_lock(file):
            if on_wait is None:
                raise Held(str(path))
            on_wait()
            _wait_for_lock(file)
        yield


def share(path: Path) -> IO[bytes]:
    """Hold the lock on the file `path` together with others who share it, until the returned file is closed; a program
    that takes this process's place goes on holding it. Waits while somebody holds it alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    _share_lock(file)
    os.set_inheritable(file.fileno(), True)
    return file
