"""Microsoft Sentinel: table, stream and format have the same columns, what is deployed has the shape that Azure
publishes, and reader and analytics rules find what the format wrote."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from doubles.format_events import compact_json, make, sample_of
from shared.formats.sentinel import COLUMNS
from shared.model.audiences import ALLOWED
from shared.model.clouds import CLOUDS
from shared.model.ingestion import url_problem

from .bicep import INFRA, MAIN, Node, at, deployed, files, literal, members, written
from .queries import Row, Workspace, parsed, texts

FILES = files(deployed())
SENTINEL, INGESTION = FILES["modules/sentinel.bicep"], FILES["modules/ingestion.bicep"]
DECLARED: list[dict[str, str]] = json.loads((INFRA / "sentinel-columns.json").read_text("utf-8"))
READER = texts()["sentinel/tenant-hooks"]
SITE = "https://contoso.sharepoint.com/sites/hr"
ARRIVED = datetime(2026, 11, 22, 10)

RESERVED = {"_ResourceId", "id", "_SubscriptionId", "TenantId", "Type", "UniqueId", "Title"}
"""Names that no custom column may have ("Logs Ingestion API in Azure Monitor")."""


def declared_differences(columns: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Columns that the declaration and the format have differently, with the type that each gives them."""
    theirs = {column["name"]: column["type"] for column in DECLARED}
    return {
        name: (theirs.get(name), columns.get(name))
        for name in theirs.keys() | columns.keys()
        if theirs.get(name) != columns.get(name)
    }


def test_the_stream_declares_what_the_format_writes() -> None:
    assert declared_differences(COLUMNS) == {}
    assert [column["name"] for column in DECLARED] == list(COLUMNS)
    changed = {**COLUMNS, "Content": "string", "More": "int"}
    assert declared_differences(changed) == {"Content": ("dynamic", "string"), "More": (None, "int")}
    for file, place in ((SENTINEL, "schema"), (INGESTION, "streamDeclarations")):
        assert file.one("columns").text == "var columns = any(loadJsonContent('../sentinel-columns.json'))"
        assert re.search(rf"{place}: {{.*?for column in columns", file.text, re.DOTALL)


def test_columns_have_names_that_azure_takes_and_are_explained() -> None:
    for column in DECLARED:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,44}", column["name"])
        assert column["name"] not in RESERVED
        assert len(column["description"]) > 8


def test_audiences_are_those_of_the_app() -> None:
    main = FILES[MAIN]
    assert re.findall(r"'(\S+)'", main.one("defaultTokenAudiences").text) == list(ALLOWED)
    clouds = {name: literal(value) for name, value in members(main.one("cloudsOfMicrosoft365").object).items()}
    monitors = {name: literal(value) for name, value in members(main.one("audiencesOfMonitor").object).items()}
    assert monitors == {name: f"https://{CLOUDS[cloud].monitor}" for name, cloud in clouds.items()}  # type: ignore[index]


def test_the_url_that_is_printed_can_be_registered() -> None:
    [output] = INGESTION.all("output")
    path = INGESTION.one("path").text
    stream = re.search(r"/streams/(Custom-\w+)'", path)
    assert stream is not None
    assert stream[1] in members(at(INGESTION.one("rule").object, "properties.streamDeclarations") or _none())
    url = written(output.value, INGESTION.text).strip("'")
    url = url.replace("${path}", path.split("'")[1])
    url = url.replace("${rule.properties.endpoints.logsIngestion}", "https://x.westeurope-1.ingest.monitor.azure.com")
    assert url_problem(url.replace("${rule.properties.immutableId}", f"dcr-{'0' * 32}")) is None


def _none() -> Node:
    raise AssertionError("not written out")


PUBLISHED: dict[str, dict[str, set[str]]] = {
    "Microsoft.Insights/dataCollectionRules": {
        "": {"name", "location", "tags", "kind", "properties"},
        "properties": {"description", "streamDeclarations", "destinations", "dataFlows"},
        "properties.destinations": {"logAnalytics"},
    },
    "Microsoft.OperationalInsights/workspaces/tables": {
        "": {"parent", "name", "properties"},
        "properties": {"plan", "schema"},
        "properties.schema": {"name", "columns"},
    },
    "Microsoft.OperationalInsights/workspaces/savedSearches": {
        "": {"parent", "name", "dependsOn", "properties"},
        "properties": {"category", "displayName", "functionAlias", "query", "version"},
    },
    "Microsoft.SecurityInsights/alertRules": {
        "": {"scope", "name", "kind", "dependsOn", "properties"},
        "properties": {
            *("displayName", "description", "enabled", "severity", "tactics", "query", "queryFrequency", "queryPeriod"),
            *("triggerOperator", "triggerThreshold", "suppressionEnabled", "suppressionDuration"),
            *("eventGroupingSettings", "alertDetailsOverride", "customDetails", "entityMappings"),
            "incidentConfiguration",
        },
        "properties.incidentConfiguration": {"createIncident", "groupingConfiguration"},
        "properties.incidentConfiguration.groupingConfiguration": {
            *("enabled", "matchingMethod", "groupByCustomDetails", "groupByEntities", "groupByAlertDetails"),
            *("lookbackDuration", "reopenClosedIncident"),
        },
    },
}
"""Properties of types for which the checker has no schema, as Azure's REST specifications name them."""


@pytest.mark.parametrize("kind", PUBLISHED)
def test_what_is_deployed_has_the_published_shape(kind: str) -> None:
    [resource] = [made for file in (SENTINEL, INGESTION) for made in file.resources(kind)]
    for path, known in PUBLISHED[kind].items():
        node = at(resource.object, path) if path else resource.object
        assert node is not None
        assert members(node).keys() == known, path


def alert_rules() -> dict[str, tuple[str, Node]]:
    """Each rule's query, by its name in docs/queries, and what else is said of it."""
    found = {}
    for rule in members(SENTINEL.one("rules").object).values():
        [name] = re.findall(r"docs/queries/(\S+)\.kql'", written(at(rule, "query"), SENTINEL.text))
        found[name] = (texts()[name], rule)
    return found


@pytest.mark.parametrize("name", alert_rules())
def test_a_rule_speaks_of_columns_that_its_query_has(name: str) -> None:
    query, rule = alert_rules()[name]
    assert re.search(r"^TenantHooks$", query, re.MULTILINE)
    columns = parsed()[name].columns
    entities = re.findall(r"columnName: '(\w+)'", written(at(rule, "entities"), SENTINEL.text))
    details = members(at(SENTINEL.one("analytics").object, "properties.customDetails") or _none())
    named = re.findall(r"{{(\w+)}}", str(literal(at(rule, "alert"))))
    spoken = {*entities, *named, *(str(literal(value)) for value in details.values())}
    assert spoken <= columns.keys()
    assert "TimeGenerated" in columns


def test_every_rule_is_deployed_and_the_reader_has_the_name_that_they_use() -> None:
    assert alert_rules().keys() == {name for name in texts() if name.startswith("sentinel/")} - {
        "sentinel/tenant-hooks"
    }
    assert literal(at(SENTINEL.one("reader").object, "properties.functionAlias")) == "TenantHooks"
    assert str(literal(at(SENTINEL.one("table").object, "name"))) in READER


def row(name: str, content: dict[str, Any], after: timedelta = timedelta(), **changes: Any) -> Row:
    """A row as the format writes it and the table has it, with the time of its arrival."""
    event = sample_of(name, content=compact_json(content), **changes)
    [made] = json.loads(make("sentinel", event)[1])
    return {**made, "Content": compact_json(made["Content"]), "TimeGenerated": ARRIVED + after}


def link(key: str, **content: Any) -> Row:
    return row("permission.anonymous_link_created", {"siteUrl": SITE, **content}, key=key)


def test_an_event_is_read_once_as_it_first_arrived() -> None:
    usage = {"siteUrl": SITE, "currentUsage": 25838523252736, "quota": 27487790694400, "threshold": 90}
    storage = ("storage.threshold_exceeded", usage)
    hour = timedelta(hours=1)
    rows = [
        row(*storage, hour, key="a"),
        row(*storage, key="a"),
        row(*storage, 2 * hour, key="a"),
        row(*storage, key="b"),
        row("storage.threshold_recovered", usage, key="a"),
        row(*storage, key="a", time_stamp="2026-11-23T10:00:00Z"),
    ]
    read = Workspace(events=rows).ask(READER)
    assert len(read) == 4
    first = next(each for each in read if (each["IdempotencyKey"], each["EventTime"].day) == ("a", 22))
    assert first["TimeGenerated"] == ARRIVED
    assert (first["SiteUrl"], first["CurrentUsage"], first["Quota"], first["Threshold"]) == (
        SITE,
        *list(usage.values())[1:],
    )
    assert (first["ThresholdBytes"], first["Principal"], first["ContentShortened"]) == (None, "", False)


LINKS = {
    "whole site": {"resourcePath": "/sites/hr"},
    "whole site, with a slash": {"resourcePath": "/Sites/HR/"},
    "library": {"resourcePath": "/sites/hr/Shared Documents", "itemType": "DocumentLibrary"},
    "by its kind": {"resourcePath": "/sites/hr/_layouts", "itemType": "Web"},
    "root site": {"siteUrl": "https://contoso.sharepoint.com", "resourcePath": "/"},
}
OTHERS = {
    "file": {"resourcePath": "/sites/hr/Shared Documents/a.docx", "itemType": "File"},
    "folder": {"resourcePath": "/sites/hr/Shared Documents/a", "itemType": "Folder"},
    "another site's path": {"resourcePath": "/sites/hr2"},
    "nothing named": {},
    "no site": {"siteUrl": "", "resourcePath": "/"},
}


def test_a_link_to_a_whole_site_or_library_is_an_alert_and_no_other() -> None:
    rows = [link(f"k{number}", **content) for number, content in enumerate([*LINKS.values(), *OTHERS.values()])]
    shared = row("permission.external_share_created", {"siteUrl": SITE, "resourcePath": "/sites/hr"}, key="shared")
    found = Workspace(events=[*rows, shared]).ask(texts()["sentinel/anonymous-link-on-a-site"])
    assert {each["IdempotencyKey"] for each in found} == {f"k{number}" for number in range(len(LINKS))}


def test_critical_storage_is_an_alert_with_its_percentage() -> None:
    usage = {"siteUrl": SITE, "currentUsage": 999, "quota": 1000, "threshold": 99}
    rows = [
        row("storage.threshold_exceeded", usage, key="critical", severity="critical"),
        row("storage.threshold_exceeded", usage, key="high", severity="high"),
        row("storage.threshold_recovered", usage, key="recovered", severity="critical"),
        row("storage.threshold_exceeded", {**usage, "quota": 0}, key="no quota", severity="critical"),
    ]
    found = Workspace(events=rows).ask(texts()["sentinel/storage-critical"])
    percent = {each["IdempotencyKey"]: each["UsedPercent"] for each in found}
    assert percent.keys() == {"critical", "no quota"}
    assert percent["critical"] == 99.9
