"""A chapter of the demo: an event in a receiver's own format, as the people see it who read it there."""

import json
from typing import Any

from rich.markup import escape

from local.demo.story import Inbox, Story, expect
from local.stack import Stack

CHANNEL = "/status/200"
TYPE = "permission.external_share_created"


async def show_slack(story: Story, stack: Stack, inbox: Inbox) -> None:
    story.begin("Receivers that people have already get a body of their own: Slack")
    endpoint = await stack.api.call(
        "POST",
        "/v1.0/webhooks/endpoints",
        {"endpoint": stack.receiver_url + CHANNEL, "types": ["permission.*"], "format": "slack"},
        headers={"Prefer": "return=representation"},
    )
    attempt = await stack.api.call("POST", f"/v1.0/webhooks/endpoints/{endpoint['id']}/test", {"type": TYPE})
    otherwise = f"the test event in the wire format slack did not arrive as it should: {attempt}"
    expect(attempt.get("status") == 200, otherwise)
    received = await inbox.find(lambda it: it.path == CHANNEL, otherwise)
    story.tell(f"{TYPE} in the wire format [bold]slack[/], {len(received.body)} bytes; in the channel it reads:")
    for line in message_lines(json.loads(received.body)):
        story.tell(f"[dim]│[/] {line}")
    story.tell(
        "Also: teams, servicenow, jira, connectwise, autotask, pagerduty, email, splunk-hec, sentinel, cloudevents; "
        "template for any other."
    )


def message_lines(message: dict[str, Any]) -> list[str]:
    """A message of Slack's blocks as text with rich's markup: heading, labels with values, and the small print."""
    lines = []
    for block in message["blocks"]:
        if block["type"] == "header":
            lines.append(f"[bold]{_text(block['text'])}[/]")
        elif block["type"] == "section":
            texts = [_text(field) for field in block["fields"]]
            lines += [f"{label:<16} {value}" for label, value in zip(texts[::2], texts[1::2], strict=True)]
        else:
            lines += [f"[dim]{_text(element)}[/]" for element in block["elements"]]
    return lines


def _text(shown: dict[str, Any]) -> str:
    text = str(shown["text"])
    if shown["type"] == "mrkdwn":
        text = text.strip("*<>")  # a bold label, or a link
    plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return escape(plain)
