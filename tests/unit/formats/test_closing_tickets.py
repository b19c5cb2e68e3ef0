"""Tickets that a crossing or a share has opened are closed by its end, over the app's own way to the desks."""

from typing import Any

import pytest

from doubles.delivering import Deployment
from doubles.format_events import compact_json, sample_of
from doubles.service_desks import EVENT_URL, IMPORT_URL, INCIDENT_URL, ISSUE_URL, RULE_URL, Jira, ServiceNow
from doubles.simulated_tenant import Tenant, a_row
from shared.formats.rendering import settings_text
from shared.model import Event
from shared.model.catalogue import CATALOGUE

EXCEEDED, RECOVERED = "storage.threshold_exceeded", "storage.threshold_recovered"
SHARED, REVOKED = "permission.external_share_created", "permission.revoked"


def deployment(desk: ServiceNow | Jira, url: str, name: str, **settings: Any) -> Deployment:
    made = Deployment(desk.answer)
    register(made, url, name, (EXCEEDED, RECOVERED, SHARED, REVOKED), **settings)
    return made


def register(app: Deployment, url: str, name: str, types: tuple[str, ...], **settings: Any) -> None:
    app.register(url, types=types, format=name, settings={name: settings_text(settings)}, min_severity="medium")


def at(threshold: int, name: str, key: str) -> Event:
    content = CATALOGUE[name].sample | {"threshold": threshold}
    return sample_of(name, content=compact_json(content), key=key)


WAYS: list[tuple[type[ServiceNow] | type[Jira], str, str, dict[str, Any]]] = [
    (ServiceNow, IMPORT_URL, "servicenow", {"via": "import"}),
    (ServiceNow, EVENT_URL, "servicenow", {"via": "event"}),
    (Jira, RULE_URL, "jira", {"via": "automation"}),
]


def left_open(desk: ServiceNow | Jira) -> list[Any]:
    return desk.open_incidents() if isinstance(desk, ServiceNow) else desk.open_issues()


@pytest.mark.parametrize(("make", "url", "name", "settings"), WAYS, ids=["import-set", "event-management", "rule"])
def test_a_ticket_is_closed_by_the_end_of_its_matter(make: Any, url: str, name: str, settings: dict[str, Any]) -> None:
    desk = make()
    app = deployment(desk, url, name, **settings)
    app.deliver(at(75, EXCEEDED, "one"), at(90, EXCEEDED, "two"), at(90, EXCEEDED, "two-again"))
    assert len(left_open(desk)) == 2, "one of each threshold"
    app.deliver(at(90, RECOVERED, "three"))
    assert len(left_open(desk)) == 1
    app.deliver(at(75, RECOVERED, "four"))
    assert left_open(desk) == []
    app.deliver(at(90, EXCEEDED, "five"))
    assert len(left_open(desk)) == 1, "the next crossing has a ticket of its own"
    app.deliver(at(95, RECOVERED, "six"))
    assert len(left_open(desk)) == 1, "an end without a beginning closes and opens nothing"


@pytest.mark.parametrize(("make", "url", "name", "settings"), WAYS, ids=["import-set", "event-management", "rule"])
def test_a_share_that_is_taken_back_closes_its_ticket(make: Any, url: str, name: str, settings: dict[str, Any]) -> None:
    desk = make()
    app = deployment(desk, url, name, **settings)
    content = compact_json(CATALOGUE[SHARED].sample)
    app.deliver(sample_of(SHARED, key="one"), sample_of(REVOKED, key="another"))
    assert len(left_open(desk)) == 1
    app.deliver(sample_of(REVOKED, key="two", content=content))
    assert left_open(desk) == []


def test_what_a_scan_finds_opens_an_incident_and_closes_it_again() -> None:
    """From the usage report to the desk, with the events as the scan itself makes them."""
    desk, tenant = ServiceNow(), Tenant(settings={"TENANT_ID": "contoso"})
    app = deployment(desk, IMPORT_URL, "servicenow", via="import")
    app.deliver(*tenant.scan(a_row(1, 92), a_row(2, 80), a_row(9, 1)))
    assert len(desk.open_incidents()) == 2
    app.deliver(
        *tenant.scan(a_row(1, 60, url="https://contoso.sharepoint.com/sites/renamed"), a_row(2, 80), a_row(9, 1))
    )
    [still] = desk.open_incidents()
    assert still["short_description"].endswith("/sites/s2")


def test_an_issue_made_by_the_rest_api_is_found_by_its_label() -> None:
    desk = Jira()
    app = Deployment(desk.answer)
    register(app, ISSUE_URL, "jira", (EXCEEDED,), projectKey="OPS", correlationLabel=True)
    register(app, RULE_URL, "jira", (RECOVERED,), via="automation")
    app.deliver(at(90, EXCEEDED, "one"), at(75, EXCEEDED, "two"), at(90, RECOVERED, "three"))
    assert [len(issue["labels"]) for issue in desk.issues] == [2, 2]
    [still] = desk.open_issues()
    assert still["summary"].startswith("Storage threshold exceeded")


def test_a_table_makes_an_incident_of_every_event_and_closes_none() -> None:
    """What the page says of it: its incidents can be found by their correlation id, and that is all."""
    desk = ServiceNow()
    app = deployment(desk, INCIDENT_URL, "servicenow")
    app.deliver(at(90, EXCEEDED, "one"), at(90, RECOVERED, "two"))
    assert [incident["state"] for incident in desk.incidents] == ["1", "1"]
    assert len({incident["correlation_id"] for incident in desk.incidents}) == 1
