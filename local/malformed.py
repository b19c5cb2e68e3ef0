"""Requests that are no HTTP: said in the log, but not with what was in them."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


class WithoutWhatWasSent(logging.Filter):
    """aiohttp writes the line of a request that it cannot read, whole: an `Authorization` header with a stray byte in
    it is such a line. What is left says what kind of fault it was."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, HttpProcessingError):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args = (
                "A request is no HTTP (%s) and was answered %d.",
                (type(error).__name__, error.code),
            )
        return True


def log_without_what_was_sent() -> None:
    """From now on in this process, for every server of aiohttp."""
    logger = logging.getLogger("aiohttp.server")
    if not any(isinstance(each, WithoutWhatWasSent) for each in logger.filters):
        logger.addFilter(WithoutWhatWasSent())
