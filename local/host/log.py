"""One line a record on stdout, written at once."""

import logging
import sys
import time

from local.host.event_loop import current_invocation
from local.malformed import log_without_what_was_sent

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 1,
}


class LineFormatter(logging.Formatter):
    """What is logged in an invocation has the first digits of the invocation's id after the time."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ%(place)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        invocation = current_invocation()
        record.place = f" [{invocation[:8]}]" if invocation else ""
        return super().format(record)


def configure(level_name: str) -> None:
    """Send the host's and the app's records to stdout, from the level of host.json's `logging.logLevel.default`."""
    # The locale of a Windows console or of LANG=C must not make a record fail.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    handler = logging.StreamHandler(sys.stdout)  # flushes after each record
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS.get(level_name.lower(), logging.INFO))
    # At INFO the SDK logs every request and response with all headers.
    logging.getLogger("azure").setLevel(logging.WARNING)
    log_without_what_was_sent()
