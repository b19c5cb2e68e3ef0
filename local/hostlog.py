"""What the function host writes: all of it into a file, and what people should see to them as well."""

import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_QUIET = re.compile(rb"\S+Z(?: \[\w+\])? (?:DEBUG|INFO) ")
"""How records below a warning begin, see `local.host.log`."""


class HostLog:
    """Keeps each line in the file at `path`. Warnings, errors, their tracebacks and what a `print` wrote are shown
    too."""

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self._show = show
        self._pending = b""
        self._file = path.open("wb")

    def __enter__(self) -> "HostLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended()
        self._file.close()

    def take(self, written: bytes) -> None:
        """Some bytes as they come, whole lines or not."""
        *lines, self._pending = (self._pending + written).split(b"\n")
        for line in lines:
            self._take_line(line)
        self._file.flush()

    def ended(self) -> None:
        """The host is gone: a line without an end is whole."""
        if self._pending:
            self.take(b"\n")

    def _take_line(self, line: bytes) -> None:
        self._file.write(line + b"\n")
        if not _QUIET.match(line):
            self._show(line.rstrip(b"\r").decode(errors="replace"))
