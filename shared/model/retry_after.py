"""The `Retry-After` header (RFC 9110, section 10.2.3)."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_RETRY_AFTER = timedelta(hours=1)
"""Also how long a receiver that is switched off is left alone."""


def read_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The `Retry-After` header as a delay from now, at most one hour: seconds or an HTTP date; None where absent or
    unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max(at - now, timedelta()), LONGEST_RETRY_AFTER)
    except (ValueError, OverflowError):
        return None
