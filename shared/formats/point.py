"""Syskit Point's envelope (its webhook documentation, "Webhook Events")."""

from shared.model import Event
from shared.model.json_text import joined, quoted


def body(event: Event) -> tuple[str, bytes]:
    """`{"type","content","meta":{"timeStamp","idempotencyKey"}}`, exactly those members, content as received."""
    meta = joined({"timeStamp": quoted(event.time_stamp), "idempotencyKey": quoted(event.key)})
    text = joined({"type": quoted(event.type), "content": event.content, "meta": meta})
    return "application/json", text.encode()
