"""What an event is about: events of one subject reach an ordered endpoint one after the other. Pure."""

import json
from typing import Any

from shared.model.catalogue import CUSTOM_PREFIX, OPERATIONAL_PREFIX
from shared.model.event import Event
from shared.model.json_text import dump
from shared.model.site_patterns import comparable


def subject_of(event: Event) -> str:
    """The site of an event (`siteUrl`, as SharePoint takes it: without regard to case or a slash at the end); the
    request for a workspace, or its name and kind where the publisher names no request; the endpoint of an event about
    one. An event of a type of one's own may name its `subject`. One that names none of these is ordered with all others
    of its type: order that nobody needs costs time, order that is missing costs trust."""
    content: dict[str, Any] = json.loads(event.content)
    if event.type.startswith(CUSTOM_PREFIX) and _is_text(content.get("subject")):
        return f"subject:{content['subject']}"
    if event.type.startswith(OPERATIONAL_PREFIX):
        return f"endpoint:{content.get('endpointId')}"
    if _is_text(content.get("siteUrl")):
        return f"site:{comparable(content['siteUrl'])}"
    if event.type.startswith("Provisioning"):
        request = content.get("requestId")
        return f"workspace:{request if _is_text(request) else dump([content.get('type'), content.get('name')])}"
    return f"type:{event.type}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
