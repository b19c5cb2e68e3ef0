"""The metadata that a queue message brings to its function."""

import base64
import json
from datetime import datetime
from typing import Any

from azure.functions.meta import Datum
from azure.storage.queue import QueueMessage

WHITE_SPACE = str.maketrans("", "", " \t\r\n")


def describe_message(message: QueueMessage, body: str) -> dict[str, Datum]:
    """The host's own metadata, overwritten by the body's properties."""
    return merge_body(
        {
            "QueueTrigger": Datum(body, "string"),
            "DequeueCount": Datum(str(message.dequeue_count or 0), "json"),
            "ExpirationTime": time_datum(message.expires_on),
            "Id": Datum(message.id, "string"),
            "InsertionTime": time_datum(message.inserted_on),
            "NextVisibleTime": time_datum(message.next_visible_on),
            "PopReceipt": Datum(message.pop_receipt, "string"),
        },
        body,
    )


def time_datum(moment: datetime | None) -> Datum:
    return Datum(json.dumps(moment.isoformat() if moment else None), "json")


def merge_body(metadata: dict[str, Datum], body: str) -> dict[str, Datum]:
    """Lay the top-level properties of a JSON-object body over the metadata, ignoring case, as the real host does.

    Nulls and arrays are skipped, objects stay JSON, everything else becomes a string.
    """
    if not body.lstrip().startswith("{"):
        return metadata
    try:
        properties = json.loads(body)
    except ValueError:
        return metadata
    merged = dict(metadata)
    spellings = {name.lower(): name for name in merged}
    for name, value in properties.items():
        if value is not None and not isinstance(value, list):
            merged[spellings.setdefault(name.lower(), name)] = property_datum(value)
    return merged


def property_datum(value: Any) -> Datum:
    if isinstance(value, dict):
        return Datum(json.dumps(value), "json")
    # .NET writes True where JSON has true, and so does Python.
    return Datum(str(value), "string")


def decode_base64(content: str) -> bytes | None:
    """None where it is no base64. .NET passes over the white space of ASCII."""
    try:
        return base64.b64decode(content.translate(WHITE_SPACE), validate=True)
    except ValueError:
        return None
