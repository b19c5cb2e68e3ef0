"""What people do in the console, from beginning to end, with the real parts."""

import re
import uuid

from playwright.sync_api import Page, expect

from doubles.hooks import Answer, Receiver
from e2e.api import Api, custom, eventually

from .conftest import Console


def unique(kind: str) -> str:
    return f"custom.{kind}-{uuid.uuid4().hex[:8]}"


def accept(page: Page, button: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_from_nothing_to_a_failure_understood_and_sent_again(console: Console, receiver: Receiver, api: Api) -> None:
    """Register, see the body before, test, publish, read the alert, send all of them again, and they are gone."""
    page, name = console.page, unique("journey")
    hook = receiver.hook(Answer(500, "out of order"))
    console.open("endpoints/new", heading="New endpoint")
    page.get_by_label("URL").fill(hook.url)
    page.get_by_label("Name (optional)").fill("Service desk")
    page.get_by_label("Another type or prefix").fill(name)
    page.get_by_label("Another type or prefix").press("Tab")
    page.get_by_role("radio", name=re.compile("^Slack")).check()
    expect(page.get_by_role("region", name="Body")).to_contain_text('"blocks"')
    page.get_by_text("Pace, retries and order").click()
    page.get_by_label("Seconds between attempts").fill("1")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", level=2, name="Service desk")).to_be_visible()
    endpoint = page.url.rpartition("/")[2]

    page.get_by_role("button", name="Send a test event").click()
    expect(page.get_by_role("region", name="The receiver's answer")).to_have_text("out of order")

    console.go("publish", "Publish")
    page.get_by_role("textbox", name=re.compile("^Event")).fill(f'{{"type": "{name}", "content": {{}}}}')
    page.get_by_role("button", name="Explain who would get it").click()
    expect(page.get_by_text("✓ Service desk")).to_be_visible()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Accepted for 1 endpoint.")).to_be_visible()

    eventually(api.alerts, lambda lines: any(line.get("type") == name for line in lines))
    hook.answer(200)
    console.go(f"alerts?type={name}", "Alerts")
    expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("the receiver answered 500")
    page.get_by_role("button", name="Retry all …").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 of the lines that match")
    accept(page, "Send again")
    eventually(api.alerts, lambda lines: all(line.get("type") != name for line in lines))
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("Nothing matches.")).to_be_visible()

    console.go(f"deliveries?endpoint={endpoint}", "Deliveries")
    page.get_by_role("row").filter(has_text=name).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delivery")
    expect(page.get_by_role("list").filter(has_text="after").get_by_role("listitem")).to_have_count(3)
    page.get_by_role("button", name="Show what is sent").click()
    expect(page.get_by_role("region", name="Body")).to_contain_text('"blocks"')
    expect(page.get_by_text("signatures are not kept")).to_be_visible()


def test_an_alert_is_acknowledged_and_leaves_the_alert_log_alone(
    console: Console, receiver: Receiver, api: Api
) -> None:
    name = unique("seen")
    endpoint = api.register(receiver.hook(Answer(500, "no")).url, name, retryDelays=[])
    key = api.publish(custom(name))["idempotencyKey"]
    delivery = api.ended(api.delivery_id(key, endpoint), "failed")
    eventually(api.alerts, lambda lines: any(line["id"] == delivery["id"] for line in lines))
    console.open(f"alerts?type={name}", heading="Alerts")
    console.page.get_by_role("checkbox", name="Mark the line").check()
    console.page.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(console.page.get_by_text("Nothing matches.")).to_be_visible()
    assert api.delivery(delivery["id"])["status"] == "failed"


def test_what_an_endpoint_got_is_counted_and_replayed(console: Console, receiver: Receiver, api: Api) -> None:
    page, name, hook = console.page, unique("replay"), receiver.hook()
    endpoint = api.register(hook.url, name)
    key = api.publish(custom(name))["idempotencyKey"]
    api.ended(api.delivery_id(key, endpoint), "delivered")
    console.open(f"endpoints/{endpoint['id']}", heading="Endpoint")
    page.get_by_role("button", name="Replay …").click()
    page.get_by_role("dialog").get_by_role("button", name="Count them").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 delivery would be sent again")
    accept(page, "Send again")
    hook.wait(2)


def test_an_endpoint_is_changed_disabled_and_deleted(console: Console, receiver: Receiver, api: Api) -> None:
    page, hook = console.page, receiver.hook()
    endpoint = api.register(hook.url, unique("changing"), name="Before", format="spscan")
    console.open(f"endpoints/{endpoint['id']}", heading="Endpoint")
    page.get_by_role("link", name="Change").click()
    expect(page.get_by_role("region", name="Body")).to_contain_text('"data"')  # of spscan, and not of the default
    page.get_by_label("Name (optional)").fill("After")
    page.get_by_role("checkbox", name="all of storage.*").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=2, name="After")).to_be_visible()
    changed = api.call("GET", f"/v1.0/webhooks/endpoints/{endpoint['id']}").json
    assert (changed["name"], changed["types"]) == ("After", [*endpoint["types"], "storage.*"])

    page.get_by_role("button", name="Disable").click()
    accept(page, "Disable")
    expect(page.get_by_text("An admin has disabled it")).to_be_visible()

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("Type 127.0.0.1")
    page.get_by_role("dialog").get_by_role("textbox").fill(hook.url.split("/")[2])
    accept(page, "Delete")
    expect(page.get_by_role("heading", level=1)).to_have_text("Endpoints")


def test_a_secret_is_shown_rotated_and_hidden_again(console: Console, receiver: Receiver, api: Api) -> None:
    page, endpoint = console.page, api.register(receiver.hook().url, unique("secret"))
    console.open(f"endpoints/{endpoint['id']}", heading="Endpoint")
    page.get_by_role("button", name="Show", exact=True).click()
    shown = page.get_by_role("region", name="The secret")
    before = shown.inner_text()
    assert before.startswith("whsec_")
    page.get_by_role("button", name="Hide", exact=True).click()
    assert "whsec_" not in page.content()
    page.get_by_role("button", name="Make a new one …").click()
    accept(page, "Make a new secret")
    expect(page.get_by_text("The old one signs too until")).to_be_visible()
    assert shown.inner_text() not in (before, "")
    page.evaluate("() => { location.hash = '#/keys'; }")
    expect(page.get_by_role("heading", level=1)).to_have_text("Keys")
    assert "whsec_" not in page.content() + page.evaluate("() => JSON.stringify({...sessionStorage, ...localStorage})")


def test_thresholds_are_not_written_over_what_somebody_else_wrote(console: Console, api: Api) -> None:
    page, path = console.page, "/v1.0/storage/thresholds"
    before = api.call("GET", path).json
    try:
        console.open("thresholds", heading="Thresholds")
        expect(page.get_by_label(re.compile("^Threshold")).first).to_be_visible()
        api.call("PUT", path, {"default": [{"threshold": 80, "severity": "low"}]})
        page.get_by_role("button", name="Add a threshold for all sites").click()
        page.get_by_label(re.compile("^Threshold")).last.fill("500GB")
        page.get_by_label(re.compile("^Threshold")).last.press("Tab")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("Somebody else has changed the thresholds")
        assert console.wrong.pop().startswith("Failed to load resource")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_label(re.compile("^Threshold"))).to_have_count(1)
        page.get_by_label(re.compile("^Threshold")).fill("85")
        page.get_by_label(re.compile("^Threshold")).press("Tab")
        page.get_by_role("button", name="Save").click()
        eventually(lambda: api.call("GET", path).json["default"][0]["threshold"], lambda found: found == 85)
    finally:
        api.call("PUT", path, before)


def test_an_event_is_found_by_its_key_and_erased(console: Console, api: Api) -> None:
    page, key = console.page, f"console-{uuid.uuid4()}"
    api.publish(custom(unique("erased"), key, secret="word"))
    console.open("events", heading="Events")
    page.get_by_label("Find an event").fill(key)
    page.get_by_label("Find an event").press("Enter")
    expect(page.get_by_role("region", name="Content")).to_contain_text("word")
    page.get_by_role("button", name="Erase …").click()
    page.get_by_role("dialog").get_by_role("textbox").fill(key)
    accept(page, "Erase")
    expect(page.get_by_text("What it said was erased.")).to_be_visible()


def test_the_newest_events_and_deliveries_are_listed(console: Console, receiver: Receiver, api: Api) -> None:
    page, name = console.page, unique("newest")
    endpoint = api.register(receiver.hook().url, name)
    key = api.publish(custom(name))["idempotencyKey"]
    api.ended(api.delivery_id(key, endpoint), "delivered")
    console.open("deliveries", heading="Deliveries")
    expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("delivered")
    console.go(f"events?type={name}", "Events")
    expect(page.get_by_role("row").filter(has_text=name)).to_contain_text(key)


def test_the_newest_are_narrowed_and_turned_over(console: Console, receiver: Receiver, api: Api) -> None:
    page, name = console.page, unique("pages")
    rows = page.get_by_role("row").filter(has_text=name)
    endpoint = api.register(receiver.hook().url, name)
    keys = [api.publish(custom(name))["idempotencyKey"] for _ in range(3)]
    for key in keys:
        api.ended(api.delivery_id(key, endpoint), "delivered")
    console.open(f"deliveries?type={name}", heading="Deliveries")
    expect(rows).to_have_count(3)
    page.get_by_label("Status").select_option("failed")
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    page.get_by_label("Status").select_option("delivered")
    expect(rows).to_have_count(3)
    page.route("**/v1.0/events?*", lambda route: route.continue_(url=route.request.url.replace("top=100", "top=2")))
    console.go(f"events?type={name}", "Events")
    expect(rows).to_have_count(2)
    expect(page.get_by_text(keys[2])).to_be_visible()
    page.get_by_role("button", name="Older").click()
    expect(rows).to_have_count(1)
    expect(page.get_by_role("button", name="Older")).to_have_count(0)
    page.get_by_role("button", name="Newer").click()
    expect(rows).to_have_count(2)


def test_a_subscriber_sees_its_own_endpoints_alone(console: Console, receiver: Receiver, api: Api) -> None:
    page, hook = console.page, receiver.hook()
    others = api.register(receiver.hook().url, unique("others"), name="Of somebody else")
    console.open("endpoints/new", "Point.Subscribe", "New endpoint")
    page.get_by_label("URL").fill(hook.url)
    page.get_by_role("checkbox", name="all of storage.*").check()
    expect(page.get_by_role("region", name="Body")).to_contain_text("storage.threshold_exceeded")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Endpoint")
    expect(page.get_by_role("button", name="Delete")).to_be_visible()
    assert page.get_by_role("button", name=re.compile("Test|secret|Show$|Disable|Change")).count() == 0
    console.go("endpoints", "Endpoints")
    expect(page.get_by_role("row").filter(has_text=hook.url.split("/")[2])).not_to_have_count(0)
    assert others["id"] not in page.content()


def test_the_signature_key_is_announced_with_a_countdown(console: Console, api: Api) -> None:
    page = console.page
    console.open("keys", heading="Keys")
    page.get_by_role("button", name="Show the key").click()
    expect(page.get_by_role("region", name="The key that signs now")).to_have_text(re.compile("[0-9a-f-]{36}"))
    page.get_by_role("button", name="Hide").click()
    expect(page.get_by_role("button", name="Show the key")).to_be_visible()
