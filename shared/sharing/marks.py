"""Which contents of the feed are taken care of: told, parked, or named as lost.

Marks are stored many at a time, by tens of minutes of arrival. One that a killed poll has not stored costs another
look: the records in the content are known by themselves.
"""

from datetime import datetime

from shared.sharing.feed import Content
from shared.storage.sharing import Sharing, span_of

MOST_UNSTORED = 100


class Marks:
    """The marks of contents that arrived `since` then."""

    def __init__(self, sharing: Sharing, since: datetime) -> None:
        self._sharing = sharing
        self._marks = sharing.marks(since)
        self._changed: set[str] = set()
        self._unstored = 0

    def has(self, content: Content) -> bool:
        return content.mark in self._marks.get(span_of(content.created_at), ())

    def add(self, content: Content) -> None:
        span = span_of(content.created_at)
        self._marks.setdefault(span, set()).add(content.mark)
        self._changed.add(span)
        self._unstored += 1
        if self._unstored >= MOST_UNSTORED:
            self.store()

    def store(self) -> None:
        """Raises StorageUnavailable."""
        for span in sorted(self._changed):
            self._sharing.write_marks(span, self._marks[span])
        self._changed.clear()
        self._unstored = 0
