"""The pages as everybody meets them: with a screen reader, the keyboard alone, in the dark, on a telephone."""

import re
import uuid

import pytest
from playwright.sync_api import Page, Route, expect

from doubles.hooks import Answer, Receiver
from e2e.api import Api, custom, eventually

from .conftest import Console, MakeConsole

PAGES = {
    "overview": "Overview",
    "endpoints": "Endpoints",
    "endpoints/new": "New endpoint",
    "endpoints/{endpoint}": "Endpoint",
    "endpoints/{endpoint}/edit": "Change endpoint",
    "deliveries": "Deliveries",
    "deliveries/{delivery}": "Delivery",
    "alerts": "Alerts",
    "events": "Events",
    "events/{key}": "Event",
    "publish": "Publish",
    "sites": "Sites",
    "thresholds": "Thresholds",
    "workspaces": "Workspaces",
    "workspaces/{request}": "Request for a workspace",
    "keys": "Keys",
    "nowhere": "Not found",
}
MARKUP = "<img src=x onerror=alert(1)>"
TURNED = "\u202egnp.exe"


@pytest.fixture(scope="module")
def places(api: Api, receiver: Receiver) -> dict[str, str]:
    """An endpoint, a delivery to it that was given up, its event, and a request for a workspace, all with hostile
    content."""
    name = f"custom.hostile-{uuid.uuid4().hex[:8]}"
    endpoint = api.register(receiver.hook(Answer(500, MARKUP)).url, name, name=MARKUP, retryDelays=[])
    key = api.publish(custom(name, text=MARKUP, turned=TURNED, siteUrl="javascript:alert(1)"))["idempotencyKey"]
    delivery = api.ended(api.delivery_id(key, endpoint), "failed")
    eventually(api.alerts, lambda lines: any(line["id"] == delivery["id"] for line in lines))
    return {"endpoint": endpoint["id"], "delivery": delivery["id"], "key": key, "request": request_of(api)}


def request_of(api: Api) -> str:
    api.call("PUT", "/v1.0/provision/templates/looks", {"name": MARKUP, "kind": "groups"})
    said = {"comment": MARKUP, "metadata": {"turned": TURNED}}
    body = {
        "templateId": "looks",
        "displayName": f"Quay {uuid.uuid4().hex[:8]}",
        "owners": ["mia@contoso.example"],
        **said,
    }
    return str(api.call("POST", "/v1.0/provision/groups", body, expect=202).json["requestId"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(make_console: MakeConsole, places: dict[str, str], scheme: str) -> None:
    """By axe-core's rules of WCAG 2.2 AA, with hostile content on the pages."""
    console = make_console(color_scheme=scheme)
    console.open("overview", heading="Overview")
    for path, heading in PAGES.items():
        console.go(path.format(**places), heading)
        console.check_accessibility()
    console.go("keys", "Keys")
    console.page.get_by_role("button", name="Announce the next one …").click()
    console.check_accessibility()


def test_pages_without_data_and_in_trouble_are_accessible(console: Console) -> None:
    console.page.route(re.compile(r"/v1\.0/webhooks/(endpoints|deliveries)"), nothing)
    console.open("endpoints", heading="Endpoints")
    expect(console.page.get_by_text("No endpoint is registered yet.")).to_be_visible()
    console.check_accessibility()
    console.page.unroute_all()
    console.page.route(re.compile(r"/v1\.0/webhooks/"), unavailable)
    console.go("alerts", "Alerts")
    expect(console.page.get_by_role("alert")).to_contain_text("Storage did not answer. Wait 5 s first.")
    console.check_accessibility()
    console.page.unroute_all()
    console.page.get_by_role("button", name="Try again").click()
    expect(console.page.get_by_role("alert")).to_have_count(0)
    console.wrong.clear()  # the browser tells of every 503


def nothing(route: Route) -> None:
    route.fulfill(json=[] if route.request.url.endswith("endpoints") else {"value": []})


def unavailable(route: Route) -> None:
    detail = "Storage did not answer."
    route.fulfill(status=503, headers={"Retry-After": "5"}, json={"status": 503, "detail": detail})


@pytest.mark.parametrize(
    "path",
    ["endpoints/{endpoint}", "deliveries/{delivery}", "events/{key}", "alerts", "overview", "workspaces/{request}"],
)
def test_content_of_strangers_is_text_and_nothing_else(console: Console, places: dict[str, str], path: str) -> None:
    console.open(path.format(**places))
    console.settle()
    page = console.page
    if path.startswith("deliveries"):
        page.get_by_role("button", name="Show what is sent").click()
        expect(page.get_by_role("region", name="Body")).to_be_visible()
    assert page.locator("img").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    if path.startswith("events"):
        expect(page.get_by_role("region", name="Content")).to_contain_text("⟨U+202E⟩gnp.exe")
        expect(page.get_by_role("region", name="Content")).to_contain_text(MARKUP)


@pytest.mark.parametrize(
    ("status", "detail", "said"),
    [
        (403, "This needs the app role Point.Admin", "This needs the app role Point.Admin"),
        (409, "It is still on its way", "It is still on its way"),
        (500, None, "The app answered 500."),
    ],
)
def test_what_the_api_refuses_is_said_in_its_words(
    console: Console, places: dict[str, str], status: int, detail: str | None, said: str
) -> None:
    console.open(f"deliveries/{places['delivery']}", heading="Delivery")
    body = {"detail": detail} if detail else {}
    console.page.route(re.compile("/retry$"), lambda route: route.fulfill(status=status, json=body))
    console.page.get_by_role("button", name="Retry").click()
    expect(console.page.get_by_role("alert")).to_contain_text(said)
    console.wrong.clear()


def test_an_app_that_is_gone_is_told_of(console: Console) -> None:
    console.open("events", heading="Events")
    console.page.route(re.compile(r"/v1\.0/"), lambda route: route.abort())
    console.page.get_by_role("button", name="Refresh").click()
    expect(console.page.get_by_role("alert")).to_contain_text("The app cannot be reached.")
    console.wrong.clear()


def test_a_token_that_is_refused_leads_to_another_one_and_then_to_the_sign_in(console: Console) -> None:
    with console.page.expect_response(lambda response: "/v1.0/events" in response.url and response.ok):
        console.open("events", heading="Events")
    console.settle()
    asked: list[str] = []

    def refuse_once(route: Route) -> None:
        asked.append(route.request.headers["authorization"])
        if len(asked) == 1:
            route.fulfill(status=401, json={"detail": "it has expired"})
        else:
            route.continue_()

    console.page.route(re.compile(r"/v1\.0/events"), refuse_once)
    with console.page.expect_response(lambda response: "/v1.0/events" in response.url and response.ok):
        console.page.get_by_role("button", name="Refresh").click()
    console.settle()
    expect(console.page.get_by_role("alert")).to_have_count(0)
    assert len(asked) == 2
    console.wrong.clear()


def test_a_token_that_the_app_never_takes_is_told_of_and_leads_to_no_circle(console: Console) -> None:
    """As where the deployment is set up for another application than the page signs in to."""
    refusal = {"detail": "The token was not accepted: it is for another audience"}
    console.page.route(re.compile(r"/v1\.0/me"), lambda route: route.fulfill(status=401, json=refusal))
    console.open("overview", heading="Tenant Hooks")
    expect(console.page.get_by_role("alert")).to_contain_text("it is for another audience")
    console.wrong.clear()


def test_the_keyboard_alone_suffices(console: Console, places: dict[str, str]) -> None:
    page = console.page
    console.open("overview", heading="Overview")
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.get_by_role("heading", level=1)).to_have_text("Alerts")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    console.settle()
    page.keyboard.press("j")
    assert focused(page, "a.row")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Delivery")
    page.keyboard.press("/")
    expect(page.get_by_label("Find an event")).to_be_focused()
    page.keyboard.type(places["endpoint"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Endpoint")
    disable = page.get_by_role("button", name="Disable")
    disable.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(disable).to_be_focused()


def focused(page: Page, selector: str) -> bool:
    return bool(page.evaluate("(selector) => document.activeElement.matches(selector)", selector))


def test_a_narrow_screen_needs_no_scrolling_sideways(make_console: MakeConsole, places: dict[str, str]) -> None:
    console = make_console(viewport={"width": 320, "height": 700})
    console.open("overview", heading="Overview")
    for path, heading in PAGES.items():
        console.go(path.format(**places), heading)
        console.settle()
        wide = console.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"


def test_times_are_of_the_zone_that_is_chosen(console: Console, places: dict[str, str]) -> None:
    page = console.page
    console.open(f"events/{places['key']}", heading="Event")
    shown = page.locator("main time").first
    local = shown.inner_text()
    page.locator("summary", has_text="Admin").click()
    page.get_by_label("Times").select_option("UTC")
    expect(shown).to_have_text(re.compile("UTC$"))
    assert shown.inner_text() != f"{local} UTC"  # Berlin
    page.reload()
    expect(shown).to_have_text(re.compile("UTC$"))


def test_colours_can_be_chosen_against_the_system(console: Console) -> None:
    page = console.page
    console.open("keys", heading="Keys")
    light = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.locator("summary", has_text="Admin").click()
    page.get_by_label("Colours").select_option("Dark")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") != light
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") != light


def test_the_first_visit_is_small_and_the_next_ones_ask_for_little(make_console: MakeConsole) -> None:
    """Of the console's own files: at most 130 KB compressed and 25 requests, and 3 once they are known."""
    console = make_console()
    console.open("overview", heading="Overview")
    console.settle()
    files = """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .filter((each) => each.name.includes('/console/')).map((each) => each.encodedBodySize)"""
    sizes = console.page.evaluate(files)
    assert len(sizes) <= 25
    assert 60_000 < sum(sizes) <= 130_000
    fresh = console.page.context.new_page()
    fresh.goto(f"{console.url}?as=Point.Admin#/keys")
    expect(fresh.get_by_role("heading", level=1)).to_have_text("Keys")
    sent = fresh.evaluate(
        "() => performance.getEntriesByType('resource')"
        ".filter((each) => each.name.includes('/console/') && each.transferSize > 0).length + 1"
    )
    assert sent <= 3
