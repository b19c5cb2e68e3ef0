"""Deliveries that were accepted, in a SQLite file: known by their key for good, and worked off until they end."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

_SCHEMA = """
create table if not exists deliveries (
    key text primary key,
    body blob,
    state text not null default 'waiting',
    detail text not null default '',
    tries integer not null default 0,
    due_at real not null,
    accepted_at real not null
) without rowid
"""
KEEP_KEYS_SECONDS = 45 * 24 * 3600
"""Longer than Tenant Hooks keeps a delivery that could be sent again."""


class Waiting(NamedTuple):
    key: str
    body: bytes
    tries: int


class Line(NamedTuple):
    key: str
    state: str
    detail: str


class Inbox:
    """Every call opens the file anew, so that threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._open()) as database, database:
            database.execute("pragma journal_mode = wal")
            database.execute(_SCHEMA)
            database.execute(
                "delete from deliveries where state <> 'waiting' and accepted_at < ?", [time.time() - KEEP_KEYS_SECONDS]
            )

    def add(self, key: str, body: bytes) -> bool:
        """Whether it is new. On disk before this returns: from then on the delivery may be answered 2xx."""
        now = time.time()
        with closing(self._open()) as database, database:
            sql = "insert into deliveries (key, body, due_at, accepted_at) values (?, ?, ?, ?) on conflict do nothing"
            return database.execute(sql, [key, body, now, now]).rowcount == 1

    def next(self) -> tuple[Waiting | None, float | None]:
        """The delivery that is due, and otherwise in how many seconds one will be (None: nothing waits)."""
        sql = "select key, body, tries, due_at from deliveries where state = 'waiting' order by due_at limit 1"
        with closing(self._open()) as database:
            row = database.execute(sql).fetchone()
        if row is None:
            return None, None
        wait = row[3] - time.time()
        return (None, wait) if wait > 0 else (Waiting(row[0], row[1], row[2]), None)

    def again(self, key: str, seconds: float, detail: str) -> None:
        """It could not be worked off now and comes again after so long."""
        sql = "update deliveries set tries = tries + 1, due_at = ?, detail = ? where key = ?"
        with closing(self._open()) as database, database:
            database.execute(sql, [time.time() + seconds, detail, key])

    def end(self, key: str, state: str, detail: str) -> None:
        """It is worked off, well or not. Its key stays, its body goes."""
        sql = "update deliveries set state = ?, detail = ?, body = null where key = ?"
        with closing(self._open()) as database, database:
            database.execute(sql, [state, detail, key])

    def lines(self, *states: str) -> list[Line]:
        """Deliveries in these states, the oldest first."""
        marks = ", ".join("?" * len(states))
        sql = f"select key, state, detail from deliveries where state in ({marks}) order by accepted_at"  # noqa: S608
        with closing(self._open()) as database:
            return [Line(*row) for row in database.execute(sql, states)]

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30)
