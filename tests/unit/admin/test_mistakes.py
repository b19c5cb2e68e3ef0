"""What can be registered and is probably a mistake."""

import json
from typing import Any

import pytest

from doubles.samples import an_endpoint
from shared.admin.mistakes import likely_mistakes
from shared.model import Auth, Endpoint
from shared.outbound.addresses import Unresolved

SETTINGS: dict[str, Any] = {
    "jira": {"projectKey": "OPS"},
    "servicenow": {},
    "connectwise": {"company": "contoso"},
    "splunk-hec": {},
}


def registered(name: str, auth: Auth | None = None, **settings: Any) -> Endpoint:
    given = {**SETTINGS.get(name, {}), **settings}
    return an_endpoint(format=name, settings={name: json.dumps(given)} if given else {}, auth=auth)


def test_a_good_endpoint_is_not_spoken_of() -> None:
    assert likely_mistakes(registered("point")) == []


def test_a_name_that_does_not_resolve_is_probably_misspelt() -> None:
    [said] = likely_mistakes(registered("point"), Unresolved("hooks.contoso.con"))
    assert said.startswith("endpoint: the name hooks.contoso.con does not resolve now")


@pytest.mark.parametrize("name", ["jira", "servicenow", "connectwise", "splunk-hec"])
def test_a_receiver_that_asks_who_calls_needs_auth(name: str) -> None:
    [said] = likely_mistakes(registered(name))
    assert said.startswith(f"auth: receivers of {name} ask who calls")
    assert likely_mistakes(registered(name, Auth(type="basic", username="u", password="p"))) == []


def test_an_automation_rule_may_have_its_secret_in_the_url() -> None:
    assert likely_mistakes(registered("jira", via="automation")) == []


def test_settings_that_do_not_fit_any_more_are_another_matter() -> None:
    assert likely_mistakes(registered("jira", projectKey=5)) == []


def test_site_patterns_without_a_scheme_match_no_site() -> None:
    good = registered("point").model_copy(update={"sites": ("*/sites/hr", "https://contoso.sharepoint.com/sites/hr*")})
    assert likely_mistakes(good) == []
    bad = registered("point").model_copy(update={"sites": (*good.sites, "contoso.sharepoint.com/sites/\u00fc*")})
    [said] = likely_mistakes(bad)
    assert said.startswith("sites: a pattern matches no site of SharePoint, since it begins neither")


def test_warnings_fit_a_header() -> None:
    odd = registered("jira").model_copy(update={"sites": ("\u00fc",)})
    warnings = likely_mistakes(odd, Unresolved("hooks.contoso.con"))
    assert len(warnings) == 3
    for said in warnings:
        assert said.isascii()
        assert '"' not in said


INGESTION = (
    "https://x.westeurope-1.ingest.monitor.azure.us/dataCollectionRules/dcr-00000000000000000000000000000000/"
    "streams/Custom-TenantHooks?api-version=2023-01-01"
)


@pytest.mark.parametrize(
    ("url", "auth", "said"),
    [
        (INGESTION, Auth(type="entra", audience="https://monitor.azure.us"), []),
        (
            INGESTION,
            None,
            ['auth: Azure Monitor takes tokens of Entra alone: give {"type": "entra", "audience": "https:'],
        ),
        (INGESTION, Auth(type="headers", headers={"X-A": "b"}), ["auth: Azure Monitor takes tokens of Entra alone"]),
        (
            INGESTION,
            Auth(type="entra", audience="api://desk"),
            ["auth.audience: Azure Monitor takes tokens for https:"],
        ),
        (INGESTION.partition("?")[0], Auth(type="entra", audience="https://monitor.azure.us"), ["endpoint: is no URL"]),
        ("https://proxy.example/rows", Auth(type="entra", audience="api://proxy"), ["endpoint: is no URL of the Logs"]),
        ("https://proxy.example/rows", None, ["endpoint: is no URL of the Logs", "auth: receivers of sentinel ask"]),
    ],
)
def test_rows_need_their_url_and_their_token(url: str, auth: Auth | None, said: list[str]) -> None:
    warnings = likely_mistakes(an_endpoint(url, format="sentinel", auth=auth))
    assert [each[: len(start)] for each, start in zip(warnings, said, strict=True)] == said
    assert all(each.isascii() for each in warnings)


MAIL = "https://graph.microsoft.com/v1.0/users/alerts@contoso.com/sendMail"
GRAPH = Auth(type="entra", audience="https://graph.microsoft.com")


@pytest.mark.parametrize(
    ("name", "url", "auth", "said"),
    [
        ("email", MAIL, GRAPH, []),
        ("email", MAIL, None, ["auth: Microsoft Graph takes the app's token alone"]),
        ("email", "https://mail.example/send", GRAPH, ["endpoint: mails are sent by https://graph.microsoft.com/"]),
        ("pagerduty", "https://events.eu.pagerduty.com/v2/enqueue", None, []),
        ("pagerduty", "https://events.pagerduty.com/", None, ["endpoint: PagerDuty takes events at https://events."]),
    ],
)
def test_mails_and_alerts_need_their_url(name: str, url: str, auth: Auth | None, said: list[str]) -> None:
    warnings = likely_mistakes(an_endpoint(url, format=name, auth=auth))
    assert [each[: len(start)] for each, start in zip(warnings, said, strict=True)] == said
    assert all(each.isascii() for each in warnings)
