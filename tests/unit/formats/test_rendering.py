"""An event in an endpoint's wire format, with the endpoint's settings of it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import SecretStr

from doubles.samples import an_endpoint, an_event
from shared.formats import FORMATS, Format, rendering
from shared.formats.rendering import (
    MOST_SETTINGS_BYTES,
    render,
    render_once,
    settings_problems,
    settings_text,
    shown_settings,
)
from shared.model import Event, Model
from shared.model.delivery import Unsendable


class Settings(Model):
    project_key: str
    priority: int = 3
    api_token: SecretStr = SecretStr("none")
    more: dict[str, SecretStr | int] = {}  # noqa: RUF012 (pydantic copies it)


def body(event: Event, settings: Settings) -> tuple[str, bytes]:
    if event.key == "unsayable":
        raise Unsendable("it has no name")
    return "application/json", f"{settings.project_key}/{settings.priority}".encode()


def problems(settings: Settings, types: Sequence[str]) -> list[str]:
    return [f"projectKey: {name} has no place in it" for name in types if name == settings.project_key]


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "desk", Format(body, Settings, problems))


def with_settings(**given: Any) -> Any:
    return an_endpoint(format="desk", settings={"desk": settings_text(given)})


def test_a_format_is_given_the_endpoints_settings_of_it() -> None:
    endpoint = with_settings(projectKey="OPS")
    assert render(endpoint, "desk", an_event()) == ("application/json", b"OPS/3")
    assert render(endpoint, "point", an_event())[1].startswith(b'{"type"')


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "settings.projectKey: is required"),
        ({"projectKey": 1}, "settings.projectKey: must be text"),
        ({"projectKey": "OPS", "priority": "3"}, "settings.priority: must be a whole number"),
        ({"projectKey": "OPS", "colour": "red"}, "settings.colour: is not known here"),
        ({"projectKey": "custom.x"}, "settings.projectKey: custom.x has no place in it"),
        ({"projectKey": "x" * MOST_SETTINGS_BYTES}, "settings: at most 32768 bytes"),
    ],
)
def test_settings_that_do_not_fit_are_named_by_field(given: dict[str, Any], says: str) -> None:
    [problem] = settings_problems("desk", given, ["custom.x"])
    assert says in problem


def test_a_format_without_settings_takes_none() -> None:
    assert settings_problems("point", {}, ["*"]) == []
    assert settings_problems("point", {"a": 1}, ["*"]) == ["settings: the wire format 'point' has none"]


@pytest.mark.parametrize("stored", [{}, {"desk": "{}"}, {"desk": '{"projectKey":1}'}, {"desk": "nothing"}])
def test_without_fitting_settings_nothing_is_made(stored: dict[str, str]) -> None:
    with pytest.raises(Unsendable, match="the endpoint's settings do not fit the wire format 'desk'"):
        render(an_endpoint(settings=stored), "desk", an_event())


def test_what_a_format_cannot_say_and_a_format_of_another_version_are_reasons() -> None:
    with pytest.raises(Unsendable, match="it has no name"):
        render(with_settings(projectKey="OPS"), "desk", an_event(key="unsayable"))
    with pytest.raises(Unsendable, match="'telex' is not known"):
        render(an_endpoint(), "telex", an_event())


def test_answers_show_what_was_given_but_no_secret() -> None:
    endpoint = with_settings(projectKey="OPS", apiToken="hidden", more={"a": "hidden", "b": 1})
    assert shown_settings(endpoint) == {"projectKey": "OPS", "more": {"b": 1}}
    assert shown_settings(an_endpoint()) is None
    assert shown_settings(an_endpoint(format="desk")) is None, "they do not fit: nothing is known of them"


def test_settings_are_checked_once_for_many_deliveries() -> None:
    rendering._parsed.cache_clear()
    endpoint = with_settings(projectKey="ONCE")
    for _ in range(5):
        render(endpoint, "desk", an_event())
    assert rendering._parsed.cache_info().misses == 1


def test_settings_that_are_tried_take_no_endpoints_place() -> None:
    rendering._parsed.cache_clear()
    tried = {"projectKey": "TRIED"}
    assert settings_problems("desk", tried, ["custom.x"]) == []
    assert render_once("desk", settings_text(tried), an_event()) == ("application/json", b"TRIED/3")
    assert render_once("point", "{}", an_event()) == render(an_endpoint(), "point", an_event())
    assert rendering._parsed.cache_info().currsize == 0


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if each.settings])
def test_settings_of_every_format_can_be_described(name: str) -> None:
    """Their schema goes into /openapi.json; a name on the wire is camelCase."""
    kind = FORMATS[name].settings
    assert kind is not None
    assert all("_" not in field for field in kind.model_json_schema()["properties"])
    assert json.dumps(kind.model_json_schema())
