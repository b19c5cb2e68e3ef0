"""Tickets: what their settings do, and what settings are refused."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from doubles.format_events import SETTINGS, compact_json, read, sample_of
from shared.formats import FORMATS
from shared.model import SEVERITIES

EVENT = sample_of("ProvisioningFailed")
JIRA = {"projectKey": "OPS"}
CONNECTWISE = {"company": "Contoso"}
AUTOTASK = {"companyId": 174, "queueId": 8}


def by_severity(name: str, settings: dict[str, Any]) -> list[Any]:
    return [read(name, sample_of("permission.granted", severity=severity), settings) for severity in SEVERITIES]


def test_servicenow_makes_the_priority_of_urgency_and_impact() -> None:
    weights = [(body["urgency"], body["impact"]) for body in by_severity("servicenow", {})]
    assert weights == [("3", "3"), ("2", "2"), ("1", "2"), ("1", "1")]
    own = {"severities": {"critical": {"urgency": 2, "impact": 3}}}
    weights = [(body["urgency"], body["impact"]) for body in by_severity("servicenow", own)]
    assert weights == [("3", "3"), ("2", "2"), ("1", "2"), ("2", "3")]


def test_servicenow_takes_the_fields_of_an_incident() -> None:
    body = read(
        "servicenow",
        EVENT,
        {
            "assignmentGroup": "Microsoft 365",
            "callerId": "hooks",
            "contactType": "integration",
            "correlationDisplay": "Hooks",
            "fields": {"u_own": "x", "urgency": "3"},
        },
    )
    assert {name: body[name] for name in body if "descr" not in name} == {
        "urgency": "3",
        "impact": "2",
        "correlation_id": "hr-90-7",
        "correlation_display": "Hooks",
        "assignment_group": "Microsoft 365",
        "caller_id": "hooks",
        "contact_type": "integration",
        "u_own": "x",
    }


def test_jira_priorities_are_those_of_a_new_site_unless_others_are_named() -> None:
    def priorities(settings: dict[str, Any]) -> list[Any]:
        return [body["fields"].get("priority", {}).get("name") for body in by_severity("jira", JIRA | settings)]

    assert priorities({}) == ["Low", "Medium", "High", "Highest"]
    assert priorities({"priorities": {"critical": "P1"}}) == [None, None, None, "P1"]
    assert priorities({"priorities": {}}) == [None] * 4


def test_jira_labels_can_be_others_or_none() -> None:
    assert read("jira", EVENT, JIRA)["fields"]["labels"] == ["tenant-hooks"]
    assert read("jira", EVENT, JIRA | {"labels": ["m365", "x"]})["fields"]["labels"] == ["m365", "x"]
    assert "labels" not in read("jira", EVENT, JIRA | {"labels": []})["fields"]


def test_jira_issues_have_the_correlation_key_for_a_label_where_that_is_wanted() -> None:
    crossing = sample_of("storage.threshold_exceeded")
    made = read("jira", crossing, JIRA | {"correlationLabel": True})
    [known] = made["properties"]
    assert made["fields"]["labels"] == ["tenant-hooks", known["value"]["correlationKey"]]
    assert read("jira", crossing, JIRA | {"correlationLabel": True, "labels": []})["fields"]["labels"] == [
        known["value"]["correlationKey"]
    ]
    data = read("jira", crossing, {"via": "automation"})
    assert (data["correlationKey"], data["resolved"]) == (known["value"]["correlationKey"], False)


def test_servicenow_columns_of_a_staging_table_begin_with_u() -> None:
    row = read("servicenow", EVENT, {"via": "import", "callerId": "hooks", "fields": {"u_own": "x", "other": "y"}})
    assert all(name.startswith("u_") and not name.startswith("u_u_") for name in row)
    assert (row["u_caller_id"], row["u_own"], row["u_other"]) == ("hooks", "x", "y")
    assert (row["u_step"], row["u_event_type"], row["u_event_key"]) == ("updates", "ProvisioningFailed", "hr-90-7")


def test_servicenow_events_have_levels_of_their_own_and_are_cleared_at_the_end() -> None:
    events = by_severity("servicenow", {"via": "event"})
    assert [event["severity"] for event in events] == ["4", "3", "2", "1"]
    cleared = read("servicenow", sample_of("permission.revoked", severity="critical"), {"via": "event"})
    assert (cleared["severity"], cleared["resolution_state"]) == ("0", "Closing")
    assert json.loads(cleared["additional_info"])["severity"] == "critical"
    own = {"via": "event", "correlationDisplay": "Hooks", "fields": {"team": "M365"}}
    event = read("servicenow", sample_of("custom.x", tenant=None), own)
    assert (event["source"], event["node"]) == ("Hooks", "Hooks")
    assert json.loads(event["additional_info"])["team"] == "M365"


def test_jira_fields_of_ones_own_go_with_the_issue() -> None:
    own = {"customfield_10010": {"value": "M365"}, "summary": "Fixed"}
    fields = read("jira", EVENT, JIRA | {"fields": own})["fields"]
    assert fields["customfield_10010"] == {"value": "M365"}
    assert fields["summary"] == "Fixed"


def test_a_jira_automation_rule_gets_data_to_make_an_issue_of() -> None:
    data = read("jira", EVENT, {"via": "automation"})
    assert data["summary"] == "Provisioning failed: Resource Name"
    assert data["description"].startswith("Name: Resource Name\n")
    assert "projectKey" not in data
    assert read("jira", EVENT, JIRA | {"via": "automation"})["projectKey"] == "OPS"


def test_connectwise_takes_ids_and_names() -> None:
    body = read("connectwise", EVENT, {"company": 250, "board": "Help Desk", "type": 3, "priorities": {"high": "P2"}})
    assert body["company"] == {"id": 250}
    assert body["board"] == {"name": "Help Desk"}
    assert body["type"] == {"id": 3}
    assert body["priority"] == {"name": "P2"}
    assert read("connectwise", EVENT, CONNECTWISE)["company"] == {"identifier": "Contoso"}


def test_connectwise_knows_three_levels_and_the_boards_own_priorities() -> None:
    bodies = by_severity("connectwise", CONNECTWISE | {"priorities": {"critical": 1}})
    assert [(body["severity"], body["impact"]) for body in bodies] == [
        ("Low", "Low"),
        ("Medium", "Medium"),
        ("High", "High"),
        ("High", "High"),
    ]
    assert [body.get("priority") for body in bodies] == [None, None, None, {"id": 1}]


def test_autotask_priorities_are_the_numbers_of_its_pick_list() -> None:
    assert [body["priority"] for body in by_severity("autotask", AUTOTASK)] == [3, 2, 1, 4]
    own = AUTOTASK | {"priorities": {"critical": 9}}
    assert [body["priority"] for body in by_severity("autotask", own)] == [3, 2, 1, 9]


@pytest.mark.parametrize(
    ("time_stamp", "due"),
    [
        ("2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("2026-11-22T10:00+05:30", "2026-11-23T04:30:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59.123456789-14:00", "9999-12-31T23:59:59Z"),
        ("0987-06-05T04:03:02Z", "0987-06-06T04:03:02Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T10:00:00Z"),
    ],
)
def test_an_autotask_due_date_counts_from_the_event(time_stamp: str, due: str) -> None:
    event = sample_of("ProvisioningFailed", time_stamp=time_stamp)
    assert read("autotask", event, AUTOTASK | {"dueInHours": 24})["dueDateTime"] == due
    assert "dueDateTime" not in read("autotask", event, AUTOTASK)


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("jira", {}, "projectKey"),
        ("jira", {"projectKey": "O P"}, "projectKey"),
        ("jira", JIRA | {"labels": ["two words"]}, "labels"),
        ("jira", JIRA | {"priorities": {"urgent": "High"}}, "urgent"),
        ("jira", JIRA | {"via": "email"}, "via"),
        ("jira", JIRA | {"issueTypes": "Task"}, "issueTypes"),
        ("jira", JIRA | {"issueType": ""}, "issueType"),
        ("connectwise", {}, "company"),
        ("connectwise", {"company": True}, "company"),
        ("connectwise", {"company": -1}, "company"),
        ("autotask", {"companyId": 1}, "queueId"),
        ("autotask", {"companyId": "1", "queueId": 2}, "companyId"),
        ("autotask", AUTOTASK | {"dueInHours": 0}, "dueInHours"),
        ("servicenow", {"assignedTo": "x"}, "assignedTo"),
        ("servicenow", {"severities": {"high": {"urgency": 4, "impact": 1}}}, "urgency"),
        ("servicenow", {"severities": {"high": {"urgency": 1}}}, "impact"),
        ("servicenow", {"fields": {"": "x"}}, "fields"),
        ("servicenow", {"fields": {"x": "y" * 16_384}}, "more than 16384 characters"),
    ],
)
def test_wrong_settings_are_refused_with_their_name(name: str, settings: dict[str, Any], why: str) -> None:
    kind = FORMATS[name].settings
    assert kind is not None
    with pytest.raises(ValidationError, match=why):
        kind.model_validate_json(compact_json(settings), strict=True)


@pytest.mark.parametrize("name", ["servicenow", "jira", "connectwise", "autotask"])
def test_titles_and_keys_are_where_people_look_for_them(name: str) -> None:
    body = read(name, EVENT, SETTINGS[name])
    fields = body.get("fields", body)
    title = next(fields[member] for member in ("short_description", "summary", "title") if member in fields)
    assert title == "Provisioning failed: Resource Name"
    assert compact_json(body).count("hr-90-7") == (3 if name == "jira" else 2), "it is a matter of its own"
