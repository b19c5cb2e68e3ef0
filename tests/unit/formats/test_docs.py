"""docs/receivers.md: every registration call in it can be sent as it is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from doubles.samples import an_endpoint
from shared.formats import FORMATS
from shared.formats.rendering import settings_problems
from shared.model.audiences import ALLOWED, TokenRules, token_problem
from shared.model.auth import AuthBody
from shared.model.catalogue import type_problem
from shared.model.ingestion import MONITORS
from shared.model.mailboxes import Mailboxes

GRAPH = "https://graph.microsoft.com"
RULES = TokenRules((*ALLOWED, *MONITORS), Mailboxes(("alerts@contoso.com",), GRAPH, GRAPH))
PAGE = (Path(__file__).parents[3] / "docs" / "receivers.md").read_text(encoding="utf-8")
CALLS: list[dict[str, Any]] = [
    json.loads(body) for body in re.findall(r'"\$app/v1\.0/webhooks/endpoints"[^\'`]*-d \'([^\']*)\'', PAGE)
]
SECTION = PAGE[PAGE.index("## Receivers' own formats") : PAGE.index("## Power Automate and Logic Apps")]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: str(call.get("format", "point")))
def test_a_registration_call_of_the_page_is_accepted(call: dict[str, Any]) -> None:
    assert call["endpoint"].startswith("https://")
    assert [type_problem(name) for name in call["types"]] == [None] * len(call["types"])
    assert settings_problems(call["format"], call.get("settings", {}), call["types"]) == []
    if "auth" in call:
        auth: Any = TypeAdapter(AuthBody).validate_json(json.dumps(call["auth"]))
        if auth.type == "entra":
            endpoint = an_endpoint(call["endpoint"], by_admin=True)
            assert token_problem(endpoint, auth.audience, call["format"], RULES) is None


def test_every_format_has_its_call() -> None:
    assert {call["format"] for call in CALLS} == set(FORMATS) - {"point", "spscan"}


def test_what_arrives_is_json_in_every_example() -> None:
    examples = re.findall(r"```json\n(.*?)```", SECTION, re.DOTALL)
    assert len(examples) >= 6
    assert all(json.loads(example) for example in examples)


@pytest.mark.parametrize("name", [name for name, known in FORMATS.items() if known.settings])
def test_every_setting_is_told_of(name: str) -> None:
    kind = FORMATS[name].settings
    assert kind is not None
    (section,) = (part for part in SECTION.split("\n### ")[1:] if f'"format": "{name}"' in part)
    assert {field.alias for field in kind.model_fields.values()} <= set(re.findall(r"[A-Za-z]+", section))


def test_lists_of_formats_are_whole() -> None:
    """The row of `format` in the API, the table of receivers, and the names in the README."""
    ours = set(FORMATS) - {"point", "spscan"}
    root = Path(__file__).parents[3]
    [row] = re.findall(r"^\| `format` \| `point` \| (.*)$", (root / "docs" / "api.md").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)`", row)) == set(FORMATS)
    assert set(re.findall(r"^\| \[`([a-z-]+)`\]", SECTION, re.MULTILINE)) == ours
    readme = (root / "README.md").read_text("utf-8").replace("\n", " ")
    titles = {
        "servicenow": "ServiceNow",
        "connectwise": "ConnectWise",
        "email": "e-mail",
        "pagerduty": "PagerDuty",
        "splunk-hec": "Splunk",
        "sentinel": "Microsoft Sentinel",
        "teams": "Microsoft Teams",
    }
    titles |= {"cloudevents": "CloudEvents", "template": "any JSON by a template"}
    assert [name for name in ours if titles.get(name, name.title()) not in readme] == []
