"""`dev.py demo`: what Tenant Hooks promises, each promise shown at work and checked."""

import os
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from local.appsettings import is_storage, read_values
from local.client import ApiFault
from local.demo.formats import show_slack
from local.demo.scan import scan_sites
from local.demo.sharing import share_outside
from local.demo.story import Inbox, Story, Unexpected
from local.demo.workspace import make_team
from local.ports import free_ports
from local.problem import Problem
from local.stack import Plan, running

SETTINGS = {
    "RETRY_DELAYS": "1,2,3",
    "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.500",
    "SHARING_POLL_SCHEDULE": "0 0 0 1 1 *",  # the demo polls when it has something to tell
    "SHARING_EVENTS": "permission.external_share_created,permission.anonymous_link_created,permission.revoked",
}
LINES_SHOWN = 20
"""Of the host, when the demo fails."""


async def show(root: Path) -> int:
    """Run the whole demo; the value is the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    plan = make_plan(root)
    inbox = Inbox()
    story = Story(console, inbox)
    started_at = time.monotonic()
    shown: list[str] = []
    console.print("[bold]Tenant Hooks[/] · signed webhooks for Microsoft 365 governance events")
    try:
        story.begin(
            "Starting the app, its storage (Azurite), a receiver, a token issuer, and a stand-in for Microsoft 365"
        )
        async with running(plan, inbox.add, show_host=shown.append) as stack:
            story.tell(f"They run on free ports and begin empty. The app: {stack.host.url}")
            story.tell("Retries come after 1, 2 and 3 s here; the real schedule is 30 s, 2 min, 10 min.")
            story.tell("(Half a second more at most, until the host looks into the queue again; 2 s in a deployment.)")
            await story.run(stack)
            await show_slack(story, stack, inbox)
            await make_team(story, stack)
            await scan_sites(story, stack)
            await share_outside(story, stack)
    except (Unexpected, ApiFault, Problem) as fault:
        console.print(f"\n[bold red]✗ The demo failed at: {story.chapter}[/]")
        console.print(f"  {escape(str(fault))}")
        for line in shown[-LINES_SHOWN:]:
            console.print(f"    {escape(line)}")
        console.print(f"  Logs of the app and of Azurite: {os.path.relpath(plan.logs, root)}")
        return 1
    console.print(
        f"\n[bold green]✓ All as promised[/] in {time.monotonic() - started_at:.0f} s: {len(inbox.received)} "
        "attempts reached the receiver, each verified by both of its signatures."
    )
    console.print("  Next: [bold]python3 dev.py start --open[/] stays up and shows the console in your browser.")
    return 0


def make_plan(root: Path) -> Plan:
    """A stack of its own, whatever runs on this machine and whatever its owner has set."""
    values = {**read_values(root, sample=True), **SETTINGS}
    ours = {*values, "ALLOWED_ENDPOINT_HOSTS", "DANGEROUS_TRUST_LOCAL_ISSUER", "SECRETS_KEY"}
    stand_ins = ("GRAPH_", "STORAGE_", "SHAREPOINT_", "PROVISIONING_", "MANAGEMENT_", "SHARING_")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith(stand_ins) and not is_storage(name)
    }
    port = free_ports(5)
    return Plan(
        root=root,
        port=port,
        receiver_port=port + 1,
        azurite_port=port + 2,
        values=values,
        environment=environment,
    )
