"""The queries of docs/queries: what they name, what Microsoft's parser says of them, and what they answer."""

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import duckdb_kql

from shared.formats.sentinel import COLUMNS

from .bicep import ROOT

FOLDER = ROOT / "docs" / "queries"
PARSER = Path(__file__).with_name("kusto.cjs")

TABLES = {
    "AppTraces": {"TimeGenerated": "datetime", "Message": "string", "SeverityLevel": "int", "OperationId": "string"},
    "AppRequests": {
        "TimeGenerated": "datetime",
        "Name": "string",
        "Success": "bool",
        "ResultCode": "string",
        "DurationMs": "real",
        "OperationId": "string",
    },
    "AppExceptions": {
        "TimeGenerated": "datetime",
        "OperationName": "string",
        "InnermostType": "string",
        "InnermostMessage": "string",
        "OperationId": "string",
    },
    "TenantHooks_CL": {name: "bool" if kind == "boolean" else kind for name, kind in COLUMNS.items()},
}
"""Columns of Azure Monitor's tables, as far as queries may use them."""

_IN_DUCKDB = {
    "datetime": "TIMESTAMP",
    "string": "VARCHAR",
    "int": "INTEGER",
    "bool": "BOOLEAN",
    "real": "DOUBLE",
    "dynamic": "JSON",
}

_NAMES = re.compile(r'tostring\(line\.event\) (?:== ("[^"]+")|in \(([^)]+)\))')
_PREFILTER = re.compile(r'Message has(?: ("[^"]+")|_any \(([^)]+)\))')
_WANTED = re.compile(r'(?<=^let wanted = ")[^"]+(?=";$)', re.MULTILINE)
_FIELD = re.compile(r'\bline(?:\.(\w+)|\["(\w+)"\])')

Row = dict[str, Any]


@dataclass(frozen=True)
class Parsed:
    errors: list[str]
    columns: dict[str, str]
    """Of the result, with their types."""


def texts() -> dict[str, str]:
    """Every query, by its path below docs/queries without the ending."""
    return {
        path.relative_to(FOLDER).with_suffix("").as_posix(): path.read_text("utf-8") for path in FOLDER.rglob("*.kql")
    }


def events_of(query: str) -> set[str]:
    """The log lines that a query takes, by name."""
    return _strings(_NAMES, query)


def looked_for(query: str) -> set[str]:
    """The words by which it finds their messages, before it takes them apart."""
    return _strings(_PREFILTER, query)


def fields_of(query: str) -> set[str]:
    """The fields that it reads of these lines."""
    return {dotted or bracketed for dotted, bracketed in _FIELD.findall(query)} - {"event"}


def about(query: str, wanted: str) -> str:
    """The query with this in place of the example in its first line, as a person puts it there."""
    changed, count = _WANTED.subn(wanted, query)
    assert count == 1
    return changed


def _strings(pattern: re.Pattern[str], query: str) -> set[str]:
    return {text for groups in pattern.findall(query) for group in groups for text in re.findall(r'"([^"]+)"', group)}


def parse(queries: Mapping[str, str]) -> dict[str, Parsed]:
    """What Microsoft's own parser, the one behind the portal's editor, finds in each."""
    schemas = {name: f"({', '.join(f'{c}: {t}' for c, t in columns.items())})" for name, columns in TABLES.items()}
    whole = {name: _with_functions(text) for name, text in queries.items()}
    answer = subprocess.run(
        [shutil.which("node") or "node", str(PARSER)],
        input=json.dumps({"tables": schemas, "queries": whole}),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {name: Parsed(**each) for name, each in json.loads(answer.stdout).items()}


@functools.cache
def parsed() -> dict[str, Parsed]:
    """The same of every query here."""
    return parse(texts())


class Workspace:
    """Tables that queries run on, in DuckDB."""

    def __init__(
        self,
        traces: Iterable[Row] = (),
        requests: Iterable[Row] = (),
        exceptions: Iterable[Row] = (),
        events: Iterable[Row] = (),
    ) -> None:
        self._db = duckdb.connect()
        for table, rows in zip(TABLES, (traces, requests, exceptions, events), strict=True):
            columns = TABLES[table]
            typed = ", ".join(f'"{name}" {_IN_DUCKDB[kind]}' for name, kind in columns.items())
            self._db.execute(f"CREATE TABLE All{table} ({typed})")
            values = [[row.get(name) for name in columns] for row in rows]
            if values:
                marks = ", ".join("?" * len(columns))
                self._db.executemany(f"INSERT INTO All{table} VALUES ({marks})", values)  # noqa: S608
        self.look(datetime.min, datetime.max)

    def look(self, after: datetime, until: datetime) -> None:
        """Only this time from now on, as a rule's window or the portal's time range does it."""
        span = f"TimeGenerated > '{_naive(after)}' AND TimeGenerated <= '{_naive(until)}'"
        for table in TABLES:
            self._db.execute(f"CREATE OR REPLACE VIEW {table} AS SELECT * FROM All{table} WHERE {span}")  # noqa: S608

    def ask(self, query: str) -> list[Row]:
        """The rows that a query answers."""
        found = self._db.execute(_sql(query))
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@functools.cache
def _sql(query: str) -> str:
    return str(duckdb_kql.to_sql(_with_functions(query)))


def _with_functions(query: str) -> str:
    """The query with what the function of the workspace stands for, where it reads that."""
    if not re.search(r"^TenantHooks$", query, re.MULTILINE):
        return query
    return f"let TenantHooks = {texts()['sentinel/tenant-hooks']};\n{query}"


def _naive(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(sep=" ")
