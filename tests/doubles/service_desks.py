"""Stand in for ServiceNow and Jira where tickets close themselves: set up as docs/receivers.md says, and written
without the app's own code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RESOLVED_STATES = ("6", "7", "8")
IMPORT_URL = "https://contoso.service-now.com/api/now/import/u_tenant_hooks"
INCIDENT_URL = "https://contoso.service-now.com/api/now/table/incident"
EVENT_URL = "https://contoso.service-now.com/api/now/table/em_event"
ISSUE_URL = "https://contoso.atlassian.net/rest/api/3/issue"
RULE_URL = "https://api-private.atlassian.com/automation/webhooks/jira/a/0123/4567"
_EVENT_FIELDS = {"source": 100, "node": 100, "type": 100, "resource": 100, "message_key": 1024, "description": 4000}
"""The longest of each, by ServiceNow's documentation."""

Answer = tuple[int, str]


@dataclass
class ServiceNow:
    """Incidents; a staging table `u_tenant_hooks` with the transform map of the page; Event Management, which makes an
    incident of each alert."""

    incidents: list[dict[str, str]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def open_incidents(self) -> list[dict[str, str]]:
        return [each for each in self.incidents if each["state"] not in RESOLVED_STATES]

    def answer(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        posted = json.loads(body)
        handle = {INCIDENT_URL: self._insert, IMPORT_URL: self._import, EVENT_URL: self._take_event}[url]
        return handle(posted)

    def _insert(self, fields: dict[str, str]) -> Answer:
        self.incidents.append({"state": "1", **fields})
        return 201, json.dumps({"result": {"sys_id": str(len(self.incidents) - 1)}})

    def _import(self, row: dict[str, str]) -> Answer:
        """The field map of `sys_id`, which is a script, and the script onBefore."""
        found = [each for each in self.open_incidents() if each["correlation_id"] == row["u_correlation_id"]]
        action = "update" if found else "insert"
        ends = row["u_step"] == "resolves"
        if ends and action == "insert":
            return 201, json.dumps({"result": [{"status": "ignored"}]})
        names = ("short_description", "description", "urgency", "impact", "correlation_id", "correlation_display")
        target = found[0] if found else {"state": "1", **{name: row[f"u_{name}"] for name in names}}
        if action == "update":
            target["work_notes"] = row["u_description"]
        else:
            self.incidents.append(target)
        if ends:
            target |= {"state": "6", "close_code": "Solution provided", "close_notes": row["u_description"]}
        return 201, json.dumps({"result": [{"status": "updated" if found else "inserted"}]})

    def _take_event(self, event: dict[str, str]) -> Answer:
        """A clear event closes its alert, and that the incident (`evt_mgmt.alert_closes_incident`)."""
        assert all(len(event.get(name, "")) <= most for name, most in _EVENT_FIELDS.items())
        assert all(isinstance(value, str) for value in event.values())
        assert isinstance(json.loads(event["additional_info"]), dict)
        assert event["node"]
        assert event["source"]
        is_open = [each for each in self.alerts if each["open"] and each["message_key"] == event["message_key"]]
        if event["severity"] == "0":
            for alert in is_open:
                alert["open"] = False
                alert["incident"]["state"] = "6"
        elif not is_open:
            incident = {"state": "1", "short_description": json.loads(event["additional_info"])["title"]}
            self.incidents.append(incident)
            self.alerts.append({"open": True, "message_key": event["message_key"], "incident": incident})
        return 201, json.dumps({"result": {"sys_id": "0"}})


@dataclass
class Jira:
    """A project, and an Automation rule with an incoming webhook: where `resolved` is true it moves the issues with the
    label to done, else it makes one, unless one is open."""

    issues: list[dict[str, Any]] = field(default_factory=list)

    def open_issues(self) -> list[dict[str, Any]]:
        return [each for each in self.issues if each["status"] != "Done"]

    def answer(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        posted = json.loads(body)
        if url == ISSUE_URL:
            self.issues.append({"status": "To Do", **posted["fields"]})
            return 201, json.dumps({"key": f"OPS-{len(self.issues)}"})
        assert url == RULE_URL
        found = [each for each in self.open_issues() if posted["correlationKey"] in each["labels"]]
        if posted["resolved"]:
            for issue in found:
                issue["status"] = "Done"
        elif not found:
            labels = [*posted["labels"], posted["correlationKey"]]
            self.issues.append({"status": "To Do", "summary": posted["summary"], "labels": labels})
        return 200, ""
