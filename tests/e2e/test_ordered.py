"""An ordered endpoint, whose receiver does not take an event at first."""

from doubles.hooks import Answer

from .api import ENDPOINTS, Json, custom
from .conftest import App


def about(site: str, number: int) -> Json:
    return custom("custom.ordered", f"{site}-{number}", siteUrl=f"https://contoso.sharepoint.com/sites/{site}")


def test_those_of_a_subject_wait_for_it_and_no_others(app: App) -> None:
    hook = app.receiver.hook()
    hook.answer_by(lambda key, known: Answer(500 if (key, known) == ("a-1", 0) else 200))
    endpoint = app.api.register(hook.url, "custom.ordered", ordered=True)
    app.api.publish([about(site, number) for number in (1, 2, 3) for site in ("a", "b")])
    received = [each.key for each in hook.wait(7)]
    assert [key for key in received if key.startswith("a")] == ["a-1", "a-1", "a-2", "a-3"]
    assert [key for key in received if key.startswith("b")] == ["b-1", "b-2", "b-3"]
    assert received.index("b-3") < len(received) - 1 - received[::-1].index("a-1"), "b waited for a"
    app.api.ended(app.api.delivery_id("a-3", endpoint), "delivered")
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)
