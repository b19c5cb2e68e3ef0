"""The workbook, where logs go, and that the host drops none of the app's lines."""

import json
import logging
import re
from typing import Any

import pytest

from . import triggers
from .bicep import INFRA, ROOT, File, at, deployed, files, literal, written
from .queries import FOLDER, parsed, texts

TEXTS = texts()
FILES = files(deployed())
WORKBOOK: dict[str, Any] = json.loads((INFRA / "workbook.json").read_text("utf-8"))
QUERIES = [item for item in WORKBOOK["items"] if item["type"] == 3]
HOST: dict[str, Any] = json.loads((ROOT / "host.json").read_text("utf-8"))
LEVELS: dict[str, str] = HOST["logging"]["logLevel"]


def test_the_workbook_has_the_form_that_the_portal_reads() -> None:
    assert WORKBOOK["version"] == "Notebook/1.0"
    for item in WORKBOOK["items"]:
        assert item["type"] in (1, 3, 9), "text, query or parameters"
        assert ("json" in item["content"]) == (item["type"] == 1)
        assert item["content"].get("version", "") == {1: "", 3: "KqlItem/1.0", 9: "KqlParameterItem/1.0"}[item["type"]]
    names = [item["name"] for item in WORKBOOK["items"]]
    assert len(names) == len(set(names))


def test_every_query_asks_the_workspace_for_the_time_that_is_picked() -> None:
    [parameters] = [item["content"]["parameters"] for item in WORKBOOK["items"] if item["type"] == 9]
    [time] = [each["name"] for each in parameters if each["type"] == 4]
    for item in QUERIES:
        content = item["content"]
        assert content["timeContextFromParameter"] == time
        assert content["queryType"] == 0
        assert content["resourceType"] == "microsoft.operationalinsights/workspaces"
        assert content["title"]
        assert "ago(" not in TEXTS[content["query"]], "the time comes from the picker, or from the rule's window"


@pytest.mark.parametrize("item", QUERIES, ids=lambda item: item["name"])
def test_a_chart_names_columns_that_its_query_has(item: dict[str, Any]) -> None:
    content = item["content"]
    columns = parsed()[content["query"]].columns
    charts, formatters = content.get("chartSettings", {}), content.get("gridSettings", {}).get("formatters", [])
    named = {charts.get("xAxis", "TimeGenerated"), *charts.get("yAxis", [])} if charts else set()
    assert {*named, *(each["columnMatch"] for each in formatters)} <= columns.keys()
    if content["visualization"] == "timechart":
        assert columns["TimeGenerated"] == "datetime"
        assert {"long", "real"} & set(columns.values())


def test_every_query_is_used_and_every_name_is_a_query() -> None:
    shown = {item["content"]["query"] for item in QUERIES}
    assert shown | {name for name in TEXTS if name.startswith(("alerts/", "questions/", "sentinel/"))} == TEXTS.keys()
    assert shown <= TEXTS.keys()


def test_bicep_puts_each_text_where_its_name_stands() -> None:
    file = FILES["modules/workbook.bicep"]
    loaded = dict(re.findall(r"'([\w/-]+)': loadTextContent\('\.\./\.\./docs/queries/([\w/-]+)\.kql'\)", file.text))
    assert set(loaded) == {item["content"]["query"] for item in QUERIES}
    assert all(name == path for name, path in loaded.items())
    assert "item.type == 3 ? { query: queries[item.content.query], " in file.one("contents").text
    assert "in layout.items: union(item, { content: contents[i] })" in file.one("filled").text


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_bicep_loads_is_there(name: str) -> None:
    folder = (INFRA / name).parent
    loaded = re.findall(r"load(?:Text|Json)Content\('([^']+)'\)", FILES[name].text)
    assert [path for path in loaded if not (folder / path).resolve().is_file()] == []


def test_every_query_says_first_what_it_shows() -> None:
    assert [name for name, text in TEXTS.items() if not re.match(r"// [A-Z].+\.", text)] == []
    assert not [path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".kql"]


def test_nothing_samples_the_log() -> None:
    assert HOST["logging"]["applicationInsights"]["samplingSettings"] == {"isEnabled": False}
    insights = FILES["modules/monitoring.bicep"].one("insights").object
    assert literal(at(insights, "properties.SamplingPercentage")) == 100


def level(category: str) -> int:
    """At which the host lets a category through: the longest name that the category begins with decides."""
    named = [name for name in LEVELS if category == name or category.startswith(f"{name}.")]
    return logging.getLevelNamesMapping()[_PYTHON[LEVELS[max(named, key=len, default="default")]]]


_PYTHON = {"Information": "INFO", "Warning": "WARNING", "Error": "ERROR"}


def test_the_host_drops_no_line_of_the_app_and_no_request() -> None:
    functions = triggers.names()
    assert {"dispatch", "measure", "event_publish"} <= functions
    assert [name for name in sorted(functions) if level(f"Function.{name}.User") > logging.INFO] == []
    assert level("Host.Results") <= logging.INFO, "AppRequests comes from it"
    assert all(level(f"Function.{name}") <= logging.ERROR for name in functions)


@pytest.mark.parametrize("name", ["health_get", "openapi_get", "zz_unknown"])
def test_what_answers_anybody_does_not_fill_the_log(name: str) -> None:
    """Two lines a request, for whoever could reach the address: the daily cap was theirs to reach."""
    assert level(f"Function.{name}") > logging.INFO


def test_levels_are_of_functions_that_exist() -> None:
    named = {match[1] for name in LEVELS if (match := re.fullmatch(r"Function\.(\w+)(\.User)?", name))}
    assert named <= triggers.names()
    assert len(named) * 2 + 1 == len(LEVELS), "each has its .User"


def test_a_message_can_name_its_sender() -> None:
    name = literal(at(FILES["modules/monitoring.bicep"].one("actions").object, "properties.groupShortName"))
    assert isinstance(name, str)
    assert len(name) <= 12


def test_a_rule_is_either_resolved_by_itself_or_silent_for_a_while() -> None:
    """Azure refuses both at once."""
    file = FILES["modules/alerts.bicep"]
    silence = "rule.value.?muteActionsDuration"
    assert _said(file, "autoMitigate") == f"empty({silence})"
    assert _said(file, "muteActionsDuration") == f"empty({silence}) ? null : rule.value.muteActionsDuration"


def test_a_rule_can_be_made_before_its_table_is() -> None:
    """Log Analytics makes AppTraces when the app first writes to it; Azure would refuse the query until then."""
    assert _said(FILES["modules/alerts.bicep"], "skipQueryValidation") == "true"


def _said(file: File, name: str) -> str:
    return written(at(file.one("alerts").object, f"properties.{name}"), file.text).strip()
