"""Azure Monitor's Logs Ingestion API: it takes rows as the service does, and keeps what would reach the table.

Status, codes and texts are those that the service is known to answer: its REST specification (Azure Monitor Ingestion,
2023-01-01), the troubleshooting guides of its client libraries, and "Azure Monitor service limits". The service answers
204 to rows of which it loses something, too: `lost` says what that was.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shared.outbound.client import Response

MOST_BODY_BYTES = 1_048_576
MOST_FIELD_BYTES = 64 * 1024
MINUTE = timedelta(minutes=1)

_PATH = re.compile(r"/dataCollectionRules/([^/]+)/streams/([^/]+)")
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "datetime": str,
    "boolean": bool,
    "int": int,
    "long": int,
    "real": (int, float),
    "dynamic": object,
}


@dataclass
class LogsIngestion:
    """One data collection rule, on the host of one cloud."""

    rule: str
    """Its immutable id."""
    streams: Mapping[str, Mapping[str, str]]
    """Columns with their types, by the stream that declares them."""
    now: Callable[[], datetime]
    tokens: set[str] = field(default_factory=set)
    """Of the right tenant and audience."""
    may_post: set[str] = field(default_factory=set)
    """Tokens of those who have the role on the rule."""
    most_in_a_minute: int = 12_000
    rows: list[dict[str, Any]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    calls: list[datetime] = field(default_factory=list)
    """That were let in."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        given = {name.lower(): value for name, value in headers.items()}
        refused = self._refused_caller(url, given) or self._refused_body(given, body)
        if refused is not None:
            return refused
        stream = urlsplit(url).path.rpartition("/")[2]
        for row in json.loads(body):
            self.rows.append(self._kept(row, self.streams[stream]))
        return Response(204, "", None)

    def _refused_caller(self, url: str, headers: Mapping[str, str]) -> Response | None:
        parts = urlsplit(url)
        named = _PATH.fullmatch(parts.path)
        if parse_qs(parts.query).get("api-version") != ["2023-01-01"]:
            return _error(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return _error(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if named is None or named[1] != self.rule:
            immutable_id = named[1] if named else ""
            return _error(404, "NotFound", f"Data collection rule with immutable Id '{immutable_id}' not found.")
        if token not in self.may_post:
            return _error(
                403,
                "OperationFailed",
                "The authentication token provided does not have access to ingest data for the data collection rule "
                f"with immutable Id '{self.rule}'.",
            )
        if named[2] not in self.streams:
            return _error(404, "NotFound", f"The stream {named[2]} was not found in the data collection rule.")
        return self._throttled()

    def _throttled(self) -> Response | None:
        now = self.now()
        self.calls = [at for at in self.calls if now - at < MINUTE]
        if len(self.calls) >= self.most_in_a_minute:
            retry_after = MINUTE - (now - self.calls[0])
            return _error(429, "RateLimitExceeded", "Too many requests for this rule.", retry_after)
        self.calls.append(now)
        return None

    def _refused_body(self, headers: Mapping[str, str], body: bytes) -> Response | None:
        if headers.get("content-type", "").partition(";")[0] != "application/json":
            return _error(415, "UnsupportedMediaType", "Content-Type must be application/json.")
        if len(body) > MOST_BODY_BYTES:
            most = f"Maximum allowed content length: {MOST_BODY_BYTES} bytes (1 MB)."
            return _error(413, "ContentLengthLimitExceeded", f"{most} Provided content length: {len(body)} bytes.")
        try:
            rows = json.loads(body)
        except ValueError:
            rows = None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return _error(400, "InvalidPayload", "The body must be a JSON array of objects.")
        return None

    def _kept(self, row: dict[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
        kept = {}
        for name, value in row.items():
            fault = _fault(value, columns.get(name))
            if fault:
                self.lost.append(f"{name}: {fault}")
            else:
                kept[name] = value
        return kept


def _fault(value: Any, kind: str | None) -> str | None:
    """What the table would not have of a value."""
    if kind is None:
        return "is no column of the stream"
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind not in ("boolean", "dynamic")):
        return f"is no {kind}"
    if kind == "datetime":
        try:
            datetime.fromisoformat(str(value))
        except ValueError:
            return "is no datetime"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    size = max(len(text.encode()), len(text.encode("utf-16-le")))
    return f"is cut off: {size} bytes" if size > MOST_FIELD_BYTES else None


def _error(status: int, code: str, message: str, retry_after: timedelta | None = None) -> Response:
    return Response(status, json.dumps({"error": {"code": code, "message": message}}), retry_after)
