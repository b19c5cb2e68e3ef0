"""`dev.py screenshots`: how every page of the console looks, light and dark, wide and narrow, for people to look at."""

import asyncio
import shutil
import sys
from itertools import product
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from local import browser as browsers
from local.client import Api
from local.demo.__main__ import make_plan
from local.problem import Problem
from local.stack import Stack, running

SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
PATIENCE_SECONDS = 60.0
REFERENCE = ["", "Events", "endpointRegister"]
"""Places of the API's reference: its beginning, a group, an operation."""
FEW = ["ProvisioningFailed", "storage.threshold_exceeded"]
"""For the endpoint that fails: after five failures in a row the breaker would hold the others back."""
_FAILING, _WELL = "/status/500", "/ok"


async def take(root: Path) -> None:
    """Writes them to .local/screenshots. Raises Problem."""
    program = browsers.find()
    if program is None:
        raise Problem(browsers.MISSING)
    folder, plan = root / ".local" / "screenshots", make_plan(root)
    shutil.rmtree(folder, ignore_errors=True)
    async with running(plan, lambda received: None, show_host=lambda line: None) as stack:
        pages = await _fill(stack)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            for scheme, size in product(("light", "dark"), SIZES):
                await _shoot(browser, f"{stack.host.url}/console/", pages, folder / f"{scheme}-{size}", scheme, size)
            await browser.close()
    print(f"{len(list(folder.rglob('*.png')))} pictures in {folder.relative_to(root)}")


async def _shoot(browser: Browser, url: str, pages: list[str], folder: Path, scheme: Any, size: str) -> None:
    width, height = SIZES[size]
    context = await browser.new_context(
        color_scheme=scheme, reduced_motion="reduce", viewport={"width": width, "height": height}, locale="en-GB"
    )
    page = await context.new_page()
    await page.goto(f"{url}?as=Point.Admin#/overview")
    await page.locator("main h1").wait_for()
    for path in pages:
        await page.evaluate("(path) => { location.hash = `#/${path}`; }", path)
        await page.wait_for_load_state("networkidle")
        await page.locator("[aria-busy=true]").first.wait_for(state="detached")
        name = path.partition("?")[0].replace("/", "-")
        await page.screenshot(path=folder / f"{name[:40]}.png", full_page=True, animations="disabled")
    for place in REFERENCE:
        await page.goto(f"{url}reference#{place}")
        await page.locator("main h1").wait_for()
        await page.screenshot(path=folder / f"reference-{place}.png", full_page=True, animations="disabled")
        await page.goto("about:blank")  # a place of the page that is open would be no navigation
    await context.close()


async def _fill(stack: Stack) -> list[str]:
    """Something to see: endpoints that are well and one that fails, events, an alert. Returns the pages to look at."""
    api, receiver = stack.api, stack.receiver_url
    well = await _register(api, f"{receiver}{_WELL}?code=o74oKsbrgHDI", "Operations", "slack", ["*"])
    await _register(api, f"{receiver}{_WELL}?for=point", None, "point", ["*"])
    failing = await _register(api, f"{receiver}{_FAILING}", "Service desk", "spscan", FEW)
    samples = (await api.call("GET", "/v1.0/webhooks/types?publishable=true"))["value"]
    for sample in samples:
        key = f"screenshot-{sample['type'].replace('.', '-')}"
        event = {"type": sample["type"], "content": sample["sample"], "meta": {"idempotencyKey": key}}
        await api.call("POST", "/v1.0/events", event)
    await api.call("POST", "/admin/functions/scan_storage", {})
    template = {"name": "Project team", "kind": "teams", "prefix": "PRJ ", "members": ["records@contoso.example"]}
    await api.call("PUT", "/v1.0/provision/templates/7", template)
    asked = {"templateId": 7, "displayName": "Harbour Review", "owners": ["mia@contoso.example"]}
    request = await api.call("POST", "/v1.0/provision/teams", asked)
    alerts = await _until(api, "/v1.0/webhooks/deliveries?status=failed", 1)
    return [
        *("overview", "endpoints", "endpoints/new", f"endpoints/{well}", f"endpoints/{failing}"),
        *(f"endpoints/{well}/edit", "deliveries", f"deliveries/{alerts[0]['id']}", "alerts", "events"),
        *(
            f"events/{alerts[0]['idempotencyKey']}",
            "publish",
            "sites",
            "thresholds",
            "workspaces",
            f"workspaces/{request['requestId']}",
            "keys",
            "nowhere",
        ),
    ]


async def _register(api: Api, url: str, name: str | None, wire_format: str, types: list[str]) -> str:
    body = {
        "endpoint": url,
        "types": types,
        "format": wire_format,
        "retryDelays": [1, 1],
        **({"name": name} if name else {}),
    }
    made = await api.call("POST", "/v1.0/webhooks/endpoints", body, headers={"Prefer": "return=representation"})
    return str(made["id"])


async def _until(api: Api, path: str, count: int) -> list[dict[str, Any]]:
    """Asks until the list is so long: the app announces nothing. Raises Problem."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + PATIENCE_SECONDS
    while loop.time() < ends_at:
        found: list[dict[str, Any]] = (await api.call("GET", path))["value"]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.5)
    raise Problem(f"{path} did not become {count} lines long within {PATIENCE_SECONDS:.0f} s")


if __name__ == "__main__":
    try:
        asyncio.run(take(Path.cwd()))
    except Problem as problem:
        sys.exit(str(problem))
