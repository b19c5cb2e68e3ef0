"""Log lines that are single JSON objects: the Functions worker drops `extra`, and queries read the message.

A line is `{"event": name, …}`; absent fields are left out. Never give it a URL's path, a header or a body.
"""

import json
import logging
from typing import Any

_LOG = logging.getLogger("tenant_hooks")


def info(name: str, **fields: Any) -> None:
    _write(logging.INFO, name, fields)


def warning(name: str, **fields: Any) -> None:
    """Something that an admin should look at."""
    _write(logging.WARNING, name, fields)


def error(name: str, **fields: Any) -> None:
    """Something that has failed for good, or needs somebody's hand."""
    _write(logging.ERROR, name, fields)


def audit(actor: object, action: str, **fields: Any) -> None:
    """Who did what: one line for each action of a person, reading a secret included."""
    _write(logging.INFO, "audit", {"actor": str(actor), "action": action, **fields})


def _write(level: int, name: str, fields: dict[str, Any]) -> None:
    line = {"event": name} | {key: value for key, value in fields.items() if value is not None}
    _LOG.log(level, json.dumps(line, default=str, ensure_ascii=False))
