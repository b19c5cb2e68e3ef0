"""Log lines that are single JSON objects: the Functions worker drops `extra`, and queries read the message."""

import json
import logging
from typing import Any

_LOG = logging.getLogger("tenant_hooks")


def write_line(name: str, level: int = logging.INFO, **fields: Any) -> None:
    """One line `{"event": name, …}`; absent fields are left out. Never give it a URL's path, a header or a body."""
    line = {"event": name} | {key: value for key, value in fields.items() if value is not None}
    _LOG.log(level, json.dumps(line, default=str, ensure_ascii=False))
