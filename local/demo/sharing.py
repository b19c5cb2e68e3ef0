"""A chapter of the demo: what people share in the tenant is found in its audit log and told, each fact once."""

import json
from collections import Counter
from typing import Any

from rich.markup import escape

from local.demo.formats import CHANNEL, message_lines
from local.demo.story import OK, Story, expect
from local.m365.sharing import Action
from local.receiver import Received
from local.stack import Stack

SITE = "https://contoso.sharepoint.com/sites/finance"
BUDGET = f"{SITE}/Shared Documents/Budget.xlsx"
GUEST = "zoe@fabrikam.example"
SHARED, LINKED, REVOKED = (
    f"permission.{name}" for name in ("external_share_created", "anonymous_link_created", "revoked")
)
DESK = "/status/201"


async def share_outside(story: Story, stack: Stack) -> None:
    """Three things that people do, one poll, three events."""
    story.begin("People share files: the next poll of the tenant's audit log finds it")
    await stack.api.call(
        "POST",
        "/v1.0/webhooks/endpoints",
        {"endpoint": stack.receiver_url + DESK, "types": ["permission.*"], "format": "spscan"},
    )
    story.tell(f"[bold]{DESK}[/] is registered too: format spscan, types permission.*")
    records = 0
    for said, actions in (
        (
            f"mia@contoso.com shares Budget.xlsx with {GUEST}, to edit",
            [Action("share", BUDGET, who=GUEST, level="Edit")],
        ),
        ("She makes a link to its folder that works for anybody", [_link_to_folder()]),
        (f"Leo takes Plan.docx back from {GUEST}", [Action("revoke", f"{SITE}/Plan.docx", who=GUEST)]),
        ("Others read and write files", [Action("openFile", BUDGET) for _ in range(40)]),
    ):
        made = len(stack.graph.activity.do(*actions).records)
        records += made
        story.tell(f"{escape(said)}: {made} record{'s' if made > 1 else ''} in the audit log")
    await stack.api.call("POST", "/admin/functions/poll_sharing", {})
    story.tell("POST /admin/functions/poll_sharing polls now; else every five minutes.")
    for event_type in (SHARED, LINKED, REVOKED):
        for path in (OK, DESK):
            story.tell_verified(await _hear(story, path, event_type))
    story.tell("The share, as [bold]point[/]:")
    story.show(await _hear(story, OK, SHARED))
    story.tell("The anonymous link, as [bold]spscan[/]; it opens a folder, to edit, so it is critical:")
    story.show(await _hear(story, DESK, LINKED))
    story.tell("In the Slack channel the link reads:")
    key = (await _hear(story, OK, LINKED)).key
    for line in message_lines(json.loads((await story.inbox.get(CHANNEL, key)).body)):
        story.tell(f"[dim]│[/] {line}")
    _expect_each_once(story)
    story.tell(f"{records} records in the audit log, three things that people did, three events for each endpoint.")


def _link_to_folder() -> Action:
    return Action("anonymousLink", f"{SITE}/Shared Documents", "Folder", level="Edit")


async def _hear(story: Story, path: str, event_type: str) -> Received:
    return await story.inbox.find(
        lambda it: (it.path, it.type) == (path, event_type) and it.key.startswith("sharing:"),
        f"{event_type} did not reach {path}",
    )


def _expect_each_once(story: Story) -> None:
    found: Counter[Any] = Counter(
        (it.path, it.type) for it in story.inbox.received if it.key.startswith("sharing:") and it.path in (OK, DESK)
    )
    wanted = {(path, event_type): 1 for path in (OK, DESK) for event_type in (SHARED, LINKED, REVOKED)}
    expect(found == wanted, f"not each was told once: {found}")
