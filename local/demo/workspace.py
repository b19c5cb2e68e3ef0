"""A chapter of the demo: a ticket is approved, a team is made, and the ticket's own words come back with the event."""

import json
from typing import Any

from rich.markup import escape

from local.demo.story import OK, Story, expect
from local.receiver import Received
from local.stack import Stack

TEMPLATE = "project-team"
TICKET = {"ticket": "RITM0010042"}
REQUEST = {
    "templateId": TEMPLATE,
    "displayName": "Harbour Review",
    "owners": ["mia@contoso.example"],
    "members": ["leo@contoso.example"],
    "comment": "Approved in the service desk",
    "metadata": TICKET,
}


async def make_team(story: Story, stack: Stack) -> None:
    story.begin("A ticket is approved in the service desk: a team is made, and events tell the ticket")
    template = {"name": "Project team", "kind": "teams", "prefix": "PRJ "}
    await stack.api.call("PUT", f"/v1.0/provision/templates/{TEMPLATE}", template)
    key = {"Idempotency-Key": TICKET["ticket"]}
    first, again = [await stack.api.call("POST", "/v1.0/provision/teams", REQUEST, headers=key) for _ in range(2)]
    expect(first == again, f"the repeated request was another one: {first} and {again}")
    story.tell(f"POST /v1.0/provision/teams, twice with one Idempotency-Key: {escape(json.dumps(first['status']))}")
    story.tell_verified(await _hear(story, "ProvisioningStarted", first["requestId"]))
    received = await _hear(story, "ProvisioningCompleted", first["requestId"])
    story.tell_verified(received)
    content = json.loads(received.body)["content"]
    expect(content["metadata"] == TICKET, f"the ticket did not come back: {content}")
    expect(content["name"] == "PRJ Harbour Review", f"the template did not name it: {content}")
    story.show(received)
    made = [group for group in stack.graph.workspaces.groups.values() if group.display_name == content["name"]]
    expect([group.is_team for group in made] == [True], "not one team was made")
    story.tell("One team in the tenant (a stand-in for Microsoft 365), with its two people.")


async def _hear(story: Story, name: str, request_id: str) -> Received:
    return await story.inbox.find(
        lambda it: (it.path, it.type, _asked(it)) == (OK, name, request_id),
        f"{name} of the request did not reach {OK}",
    )


def _asked(received: Received) -> Any:
    """The request that an event is about; None where it is about none."""
    return json.loads(received.body).get("content", {}).get("requestId")
