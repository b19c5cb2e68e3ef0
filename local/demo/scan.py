"""The last chapters of the demo: storage scans find sites that pass a threshold, and one that goes back below."""

import json
from collections import Counter

from rich.markup import escape

from local.demo.story import OK, Story, expect
from local.m365.tenant import DEFAULT_QUOTA_BYTES, Site
from local.receiver import Received
from local.stack import Stack

FINANCE = "https://contoso.sharepoint.com/sites/finance"
ENGINEERING = "https://contoso.sharepoint.com/sites/engineering"
WATCHED = (FINANCE, ENGINEERING)
EXCEEDED, RECOVERED = "storage.threshold_exceeded", "storage.threshold_recovered"
DESK = "/status/202"
TIB = 2**40

Told = tuple[str, str, str]
"""An event that arrived: the receiver's path, the type, and the site that it is about."""


async def scan_sites(story: Story, stack: Stack) -> None:
    """All of them, in order."""
    await _exceed(story, stack)
    await _exceed_further(story, stack)
    await _recover(story, stack)
    crossings = ((EXCEEDED, FINANCE), (EXCEEDED, ENGINEERING), (RECOVERED, FINANCE))
    told = [each for each in map(_told, story.inbox.received) if each[0] in (OK, DESK) and each[2] in WATCHED]
    wanted = [(path, *crossing) for path in (OK, DESK) for crossing in crossings]
    expect(Counter(told) == Counter(wanted), f"not each crossing was published once: {told}")
    story.tell("Three scans, three crossings, and each of the two endpoints heard of each once.")


async def _exceed(story: Story, stack: Stack) -> None:
    story.begin("SharePoint runs out of storage: a scan finds a site that passed a threshold")
    await stack.api.call(
        "POST",
        "/v1.0/webhooks/endpoints",
        {"endpoint": stack.receiver_url + DESK, "types": ["storage.*"], "format": "spscan"},
    )
    story.tell(f"[bold]{DESK}[/] is registered too: format spscan, types storage.*")
    thresholds = await stack.api.call("GET", "/v1.0/storage/thresholds")
    named = ", ".join(f"{each['threshold']}% {each['severity']}" for each in thresholds["default"])
    story.tell(f"The thresholds: {escape(named)}")
    _use(story, stack, FINANCE, 94)
    await _scan(story, stack, "POST /admin/functions/scan_storage runs the scan now; else its schedule does.")
    point = await _hear(story, OK, EXCEEDED, FINANCE)
    spscan = await _hear(story, DESK, EXCEEDED, FINANCE)
    story.tell_verified(point)
    story.tell_verified(spscan)
    story.tell("It passed 75 and 90 percent at once: only the higher one is published. As [bold]point[/]:")
    story.show(point)
    story.tell("As [bold]spscan[/]:")
    story.show(spscan)


async def _exceed_further(story: Story, stack: Stack) -> None:
    story.begin("The next scan tells what is new, and nothing twice")
    _use(story, stack, FINANCE, 96)
    _use(story, stack, ENGINEERING, 78)
    await _scan(story, stack)
    for path in (OK, DESK):
        story.tell_verified(await _hear(story, path, EXCEEDED, ENGINEERING))
    story.tell("GET /v1.0/storage/sites?top=3")
    listed = await story.poll(
        lambda: stack.api.call("GET", "/v1.0/storage/sites?top=3"),
        lambda page: page["value"] if any(it["siteUrl"] == ENGINEERING for it in page["value"]) else None,
        f"{ENGINEERING} was never listed",
    )
    for site in listed:
        passed = f"passed {site['threshold']}" if "threshold" in site else "passed none"
        story.tell(escape(f"  {site['siteUrl']}: {site['percent']:.0f} percent, {passed}"))


async def _recover(story: Story, stack: Stack) -> None:
    story.begin("Somebody tidies up, and the site has room again")
    _use(story, stack, FINANCE, 60)
    await _scan(story, stack)
    for path in (OK, DESK):
        story.tell_verified(await _hear(story, path, RECOVERED, FINANCE))


def _use(story: Story, stack: Stack, url: str, percent: int) -> None:
    """From now on the site uses so much of its quota."""
    tenant = stack.graph.tenant
    before = tenant.sites[url]
    used = DEFAULT_QUOTA_BYTES * percent // 100
    tenant.put(Site(url, used, owner=before.owner, url_in_report=before.url_in_report))
    had = (before.used_bytes or 0) * 100 // DEFAULT_QUOTA_BYTES
    story.tell(f"{url.rpartition('/')[2]}: from {had} to {percent} percent, {used / TIB:.1f} of 25 TiB")


async def _scan(story: Story, stack: Stack, said: str = "Scanned again.") -> None:
    await stack.api.call("POST", "/admin/functions/scan_storage", {})
    story.tell(said)


async def _hear(story: Story, path: str, event_type: str, url: str) -> Received:
    return await story.inbox.find(
        lambda it: _told(it) == (path, event_type, url), f"{event_type} of {url} did not reach {path}"
    )


def _told(received: Received) -> Told:
    body = json.loads(received.body)
    about = body.get("content", {}).get("siteUrl") or body.get("data", {}).get("site_url")
    return received.path, received.type, str(about)
