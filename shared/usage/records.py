"""The records of a CSV text some of whose names are not quoted as they should be: each costs its own row at most.

A name that begins with a quotation mark and is not quoted takes for its own what follows, the rows after it too, up to
the next mark in the text. Such a record is taken apart. Its first line is read with marks for letters, if that makes a
row of it; the others are read again. Pure; memory grows with the longest field that `csv` takes.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice, tee
from typing import Literal

_UNREADABLE = ["unreadable"]


class Records:
    """Iterates over the records, the header first. `damaged` counts those that cannot be told, since they took other
    rows for their own or are longer than any can be."""

    def __init__(self, text: Iterable[str]) -> None:
        """`text` yields lines with their line ends."""
        self.damaged = 0
        self._text = iter(text)
        self._again: deque[str] = deque()

    def __iter__(self) -> Iterator[list[str]]:
        width = None
        while True:
            ahead, behind = tee(chain(self._read_again(), self._text))
            rows, count, lines = csv.reader(ahead), 0, []
            try:
                # A million times: nothing is called for a row that is as it should be.
                for row, line in zip(rows, behind, strict=False):
                    count += 1
                    if len(row) != width or rows.line_num != count:
                        lines = [line, *islice(behind, rows.line_num - count)]
                        count = rows.line_num
                        width = len(row) if width is None else width
                        if _is_odd(row, lines, width):
                            break
                    yield row
                else:
                    return
            except csv.Error:
                row, lines = _UNREADABLE, [*islice(behind, rows.line_num - count)]
            yield self._taken_apart(row, lines, width or 0)

    def _read_again(self) -> Iterator[str]:
        while self._again:
            yield self._again.popleft()

    def _taken_apart(self, row: list[str], lines: list[str], width: int) -> list[str]:
        """What the first line of a record tells; the others are read again."""
        first, *others = lines
        self._again.extendleft(reversed(others))
        bare = _split(first, csv.QUOTE_NONE)
        if len(bare) == width:
            return bare  # as many commas as a row has: no name holds one
        self.damaged += bool(others) or row is _UNREADABLE
        return _split(first) if others else row


def _is_odd(row: list[str], lines: list[str], width: int) -> bool:
    """Whether a record has another width than the header, or a line in it has the commas of a row by itself: it is no
    part of a name with a line end in it then. An empty line is nothing."""
    if len(row) != width:
        return bool(row)
    return any(line.count(",") >= width - 1 for line in lines[1:])


def _split(line: str, quoting: Literal[0, 3] = csv.QUOTE_MINIMAL) -> list[str]:
    """The row that a line is by itself."""
    try:
        return next(csv.reader([line], quoting=quoting), [])
    except csv.Error:
        return _UNREADABLE
