"""The reference of the API: for anybody, with the keyboard, in the dark and on a narrow screen."""

import pytest
from playwright.sync_api import Page, expect

from .conftest import Console, MakeConsole


def open_reference(console: Console, place: str = "", heading: str = "API reference") -> Page:
    console.page.goto(f"{console.url}reference{place}")
    expect(console.page.get_by_role("heading", level=1)).to_have_text(heading)
    return console.page


def operations(page: Page) -> list[str]:
    names: list[str] = page.locator("details.operation").evaluate_all("(all) => all.map((each) => each.id)")
    return names


def test_nobody_needs_to_sign_in_and_nobody_is_asked_to(console: Console) -> None:
    asked: list[str] = []
    console.page.on("request", lambda request: asked.append(request.url))
    page = open_reference(console)
    expect(page.get_by_role("region", name="Variables")).to_have_text('eval "$(python3 dev.py env)"')
    host = console.url.removesuffix("/console/")
    assert f"{host}/openapi.json" in asked
    assert not [url for url in asked if not url.startswith(host) or "/v1.0/" in url or "msal" in url]


def test_the_console_leads_there_and_back(console: Console) -> None:
    console.open("keys", heading="Keys")
    console.page.locator("summary", has_text="Admin").click()
    console.page.get_by_role("link", name="API reference").click()
    expect(console.page.get_by_role("heading", level=1)).to_have_text("API reference")
    console.page.get_by_role("link", name="Tenant Hooks").click()
    expect(console.page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_it_has_every_operation_in_its_group(console: Console) -> None:
    described = console.page.request.get(console.url.replace("/console/", "/openapi.json")).json()
    groups: dict[str, list[str]] = {}
    for methods in described["paths"].values():
        for each in methods.values():
            groups.setdefault(each["tags"][0], []).append(each["operationId"])
    page = open_reference(console)
    for name, expected in groups.items():
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        assert operations(page) == expected


def test_an_address_opens_an_operation_with_all_that_there_is_to_know(console: Console) -> None:
    page = open_reference(console, "#endpointReplay", "Deliveries")
    one = page.locator("#endpointReplay")
    expect(one.locator("> summary")).to_be_focused()
    command = one.get_by_role("region", name="Command for")
    expect(command).to_contain_text('curl -sS "$app/v1.0/webhooks/endpoints/<id>/replay" -H "$auth" -H "$json" -d')
    expect(one).to_contain_text("Needs the app role Point.Admin.")
    expect(one.get_by_role("listitem").filter(has_text="Idempotency-Key")).to_contain_text("in the header")
    expect(one.get_by_role("listitem").filter(has_text="since")).to_contain_text("text")
    expect(one.get_by_role("region", name="Answer 202")).to_contain_text('"count"')
    expect(one.get_by_role("listitem").filter(has_text="409")).to_be_visible()


def test_commands_are_for_the_shell_that_is_chosen(console: Console) -> None:
    page = open_reference(console, "#endpointList", "Endpoints")
    command = page.get_by_role("region", name="Command for")
    expect(command).to_have_text('curl -sS "$app/v1.0/webhooks/endpoints" -H "$auth"')
    page.get_by_label("Commands for").select_option("PowerShell")
    expect(command).to_have_text('Invoke-RestMethod "$app/v1.0/webhooks/endpoints" -Headers $auth')
    page.reload()
    expect(command).to_have_text('Invoke-RestMethod "$app/v1.0/webhooks/endpoints" -Headers $auth')


def test_operations_are_found_by_words_and_by_role_with_the_keyboard_alone(console: Console) -> None:
    page = open_reference(console)
    page.keyboard.press("/")
    page.keyboard.type("signature key")
    expect(page.get_by_role("heading", level=1)).to_have_text("Found")
    assert operations(page) == ["optionsGet", "optionsRotate"]
    page.locator("#optionsGet > summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Command for")).to_contain_text("/v1.0/options")
    assert page.url.endswith("#optionsGet")
    page.get_by_label("Find operations").fill("")
    expect(page.get_by_role("heading", level=1)).to_have_text("Keys")
    page.get_by_label("What may be done with").select_option("Point.Read")
    expect(page.get_by_text("None for Point.Read.")).to_be_visible()
    page.evaluate("() => { location.hash = '#optionsRotate'; }")  # which that role may not do
    expect(page.locator("#optionsRotate > summary")).to_be_focused()
    expect(page.get_by_label("What may be done with")).to_have_value("")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(make_console: MakeConsole, scheme: str) -> None:
    """By axe-core's rules of WCAG 2.2 AA, with the operations open that hold most."""
    console = make_console(color_scheme=scheme)
    page = open_reference(console)
    console.check_accessibility()
    for name, heading in (
        ("endpointRegister", "Endpoints"),
        ("eventPublish", "Events"),
        ("deliveryList", "Deliveries"),
    ):
        page.evaluate("(name) => { location.hash = `#${name}`; }", name)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        page.locator(f"#{name} .members details > summary").first.click()
        console.check_accessibility()


def test_a_narrow_screen_needs_no_scrolling_sideways(make_console: MakeConsole) -> None:
    console = make_console(viewport={"width": 320, "height": 700})
    page = open_reference(console, "#endpointRegister", "Endpoints")
    for name in operations(page)[1:]:
        page.locator(f"#{name} > summary").click()
    expect(page.locator("details.operation:not([open])")).to_have_count(0)
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0


def test_it_is_small(console: Console) -> None:
    """Its own files, compressed, without the description itself."""
    page = open_reference(console)
    sizes = page.evaluate(
        "() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".filter((each) => each.name.includes('/console/')).map((each) => each.encodedBodySize)"
    )
    assert len(sizes) <= 12
    assert 5_000 < sum(sizes) <= 25_000


def test_an_app_that_is_gone_is_told_of(console: Console) -> None:
    console.page.route("**/openapi.json", lambda route: route.abort())
    console.page.goto(f"{console.url}reference")
    expect(console.page.get_by_role("alert")).to_contain_text("The app cannot be reached.")
    console.page.unroute_all()
    console.page.get_by_role("button", name="Try again").click()
    expect(console.page.get_by_role("heading", level=1)).to_have_text("API reference")
    console.wrong.clear()
