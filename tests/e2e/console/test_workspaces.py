"""Requests for workspaces in the console: by whoever has their role, from the list to the workspace."""

import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from e2e.api import Api, eventually
from e2e.conftest import App
from local.m365.workspaces import Manners

from .conftest import Console

ROLES = ["Point.Provisioning"]
OF_ROLE = ROLES[0]
REQUESTS = "/v1.0/provision/requests"


@pytest.fixture(autouse=True)
def _templates(app: App) -> Iterator[None]:
    template = {"name": "Harbour team", "kind": "groups", "prefix": "HBR ", "members": ["leo@contoso.example"]}
    app.api.call("PUT", "/v1.0/provision/templates/harbour", template)
    yield
    app.graph.workspaces.manners = Manners(wait_seconds=1)
    app.api.call("DELETE", "/v1.0/provision/templates/harbour", expect=204)


def ask_for(api: Api, **more: object) -> tuple[str, str]:
    """The id of an accepted request, and its name."""
    name = f"Quay {secrets.token_hex(4)}"
    body = {"templateId": "harbour", "displayName": name, "owners": ["mia@contoso.example"], **more}
    accepted = api.call("POST", "/v1.0/provision/groups", body, expect=202, roles=ROLES).json
    return str(accepted["requestId"]), f"HBR {name}"


def test_a_request_is_followed_from_the_list_to_its_workspace(console: Console, app: App) -> None:
    page = console.page
    request_id, name = ask_for(app.api, comment="RITM0010042", metadata={"ticket": "RITM0010042"})
    eventually(
        lambda: app.api.call("GET", f"{REQUESTS}/{request_id}", roles=ROLES).json,
        lambda found: found["status"] == "completed",
        within=30,
    )
    console.open("workspaces", OF_ROLE, "Workspaces")
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("completed")
    expect(row.get_by_role("link", name="https://contoso.sharepoint.com/")).to_be_visible()
    expect(page.get_by_role("region", name="Templates").get_by_role("row").filter(has_text="harbour")).to_contain_text(
        "members: leo@contoso.example"
    )
    page.keyboard.press("j")
    row.get_by_role("link").first.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Request for a workspace")
    expect(page.get_by_role("heading", level=2, name=name)).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="done")).to_have_count(7)
    expect(page.get_by_text("RITM0010042").first).to_be_visible()
    expect(page.get_by_role("link", name="Its first event")).to_have_count(0)  # the role reads no events
    console.check_accessibility()


def test_a_request_that_fails_says_why(console: Console, app: App) -> None:
    app.graph.workspaces.manners = Manners(wait_seconds=1, refused=frozenset({"Group.ReadWrite.All"}))
    request_id, _ = ask_for(app.api)
    found = eventually(
        lambda: app.api.call("GET", f"{REQUESTS}/{request_id}", roles=ROLES).json,
        lambda found: found["status"] == "failed",
        within=30,
    )
    console.open("workspaces?status=failed", heading="Workspaces")
    page = console.page
    page.get_by_label("Request", exact=True).fill(request_id)
    page.get_by_role("button", name="Look it up").click()
    expect(page.get_by_role("main")).to_contain_text(found["error"]["message"])
    page.get_by_role("link", name="Its first event").click()
    expect(page.get_by_role("region", name="Content")).to_contain_text(request_id)


def test_what_is_under_way_says_at_which_step_it_is_and_goes_on_by_itself(console: Console, app: App) -> None:
    request_id, _ = ask_for(app.api)
    path = f"{REQUESTS}/{request_id}"
    found = app.api.call("GET", path, roles=ROLES).json
    times = {"createdAt": found["createdAt"], "updatedAt": found["createdAt"], "nextAt": found["createdAt"]}
    waiting = {"status": "running", "step": "ready", "tries": 2, "waitingFor": "the site is not there yet", **times}
    over = {"status": "completed", "step": "over", "warnings": ["leo could not be added"], **times}
    answers = [{**found, **waiting}, {**found, **over}]

    def answer(route: Route) -> None:
        route.fulfill(json=answers.pop(0) if len(answers) > 1 else answers[0])

    console.page.route(f"**{path}", answer)
    console.page.clock.install()
    console.open(f"workspaces/{request_id}", OF_ROLE, "Request for a workspace")
    step = console.page.get_by_role("listitem").and_(console.page.locator("[aria-current=step]"))
    expect(step).to_contain_text("Wait until it is there")
    expect(step).to_contain_text("2 tries so far came to nothing")
    expect(step).to_contain_text("the site is not there yet")
    console.check_accessibility()
    console.page.clock.fast_forward(5000)
    expect(console.page.get_by_text("leo could not be added")).to_be_visible()
    console.check_accessibility()


def test_without_the_role_there_is_no_such_page(console: Console) -> None:
    console.open("workspaces", "Point.Read", "Not found")
