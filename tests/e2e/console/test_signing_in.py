"""Who gets in, and what they see."""

import re

import pytest
from playwright.sync_api import expect

from .conftest import Console, MakeConsole

EVERYTHING = [
    "Overview",
    "Endpoints",
    "Deliveries",
    "Alerts",
    "Events",
    "Publish",
    "Sites",
    "Thresholds",
    "Workspaces",
    "Keys",
]


@pytest.mark.parametrize(
    ("roles", "pages"),
    [
        ("Point.Admin", EVERYTHING),
        ("Point.Read", ["Overview", "Deliveries", "Alerts", "Events", "Sites"]),
        ("Point.Publish", ["Publish"]),
        ("Point.Subscribe", ["Endpoints"]),
        ("Point.Provisioning", ["Workspaces"]),
        ("Point.Read+Point.Subscribe", ["Overview", "Endpoints", "Deliveries", "Alerts", "Events", "Sites"]),
    ],
)
def test_each_role_sees_its_pages_and_no_others(console: Console, roles: str, pages: list[str]) -> None:
    console.open("", roles, pages[0])
    assert console.page.get_by_role("navigation").get_by_role("link").all_text_contents() == pages
    console.settle()
    if "Keys" not in pages:
        console.go("keys", "Not found")


def test_a_reader_is_offered_nothing_that_it_may_not_do(console: Console) -> None:
    for path, heading in (("overview", "Overview"), ("alerts", "Alerts"), ("events", "Events"), ("sites", "Sites")):
        console.open(path, "Point.Read", heading)
        console.settle()
        offered = console.page.get_by_role("main").get_by_role("button").all_text_contents()
        assert not [words for words in offered if re.search("retry|acknowledge|erase|publish|explain", words, re.I)]


def test_somebody_without_a_role_reads_what_to_ask_for(console: Console) -> None:
    console.open("overview", "nobody", "You are signed in, but have no role")
    request = console.page.locator("pre").inner_text()
    assert re.search(r"infra/scripts/grant-role\.sh Point\.Read [0-9a-f]{8}-[0-9a-f-]{27}$", request)
    assert console.wrong.pop().startswith("Failed to load resource")  # the browser tells of every 403
    console.check_accessibility()


def test_the_page_that_was_asked_for_opens_after_the_sign_in(console: Console) -> None:
    console.open("thresholds", heading="Thresholds")
    console.page.reload()
    expect(console.page.get_by_role("heading", level=1)).to_have_text("Thresholds")


def test_signing_out_leads_back_to_the_sign_in(console: Console) -> None:
    console.open("keys", heading="Keys")
    console.page.locator("summary", has_text="Admin").click()
    console.page.get_by_role("button", name="Sign out").click()
    expect(console.page.get_by_role("heading", level=1)).to_have_text(re.compile("Sign in to Tenant Hooks"))


def test_a_token_that_expires_is_renewed_in_silence(console: Console) -> None:
    """MSAL takes a token of less than five minutes for one that is over."""
    console.open("events", "Point.Admin;60", "Events")
    console.settle()  # or MSAL takes the renewal that is under way for both
    before = console.page.evaluate("() => performance.getEntriesByType('navigation').length")
    with console.page.expect_request(re.compile("/token")):
        console.page.get_by_role("button", name="Refresh").click()
    console.settle()
    assert console.page.evaluate("() => performance.getEntriesByType('navigation').length") == before


def test_a_second_tab_signs_in_by_itself(make_console: MakeConsole) -> None:
    console = make_console()
    console.open("events", heading="Events")
    tab = console.page.context.new_page()
    tab.goto(f"{console.url}?as=Point.Read#/sites")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Sites")


def test_no_token_is_kept_beyond_the_session_or_shown(console: Console) -> None:
    console.open("keys", heading="Keys")
    page = console.page
    assert "eyJ" in page.evaluate("() => JSON.stringify(sessionStorage)")
    assert "eyJ" not in page.evaluate("() => JSON.stringify(localStorage) + document.documentElement.outerHTML")
    assert "eyJ" not in page.url
    assert page.context.cookies() == []
