"""Which endpoints an event goes to."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.samples import an_endpoint, an_event
from shared.model import SEVERITIES, Endpoint, Event, Severity, Tenant
from shared.model.catalogue import CATALOGUE
from shared.model.filters import Matcher, objections, type_matches

TOLD_IN = "docs/api.md#endpoints"

SITE = "https://contoso.sharepoint.com/sites/hr"
type_names = st.sampled_from(list(CATALOGUE)) | st.from_regex(r"\Acustom\.[a-z.]{1,10}\Z")


def wants(endpoint: Endpoint, event: Event) -> bool:
    return bool(Matcher([endpoint]).matching(event))


def at_site(site: object, field: str = "siteUrl") -> Any:
    return an_event(content=json.dumps({field: site}))


@given(type_names)
def test_a_star_is_every_type_but_those_about_deliveries(name: str) -> None:
    assert type_matches("*", name) is not name.startswith("webhook.")


@given(type_names, type_names)
def test_a_name_matches_itself_alone(pattern: str, name: str) -> None:
    assert type_matches(pattern, name) is (pattern == name)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("storage.*", "storage.threshold_exceeded", True),
        ("storage.*", "storage", False),
        ("storage.*", "storagelike.x", False),
        ("webhook.*", "webhook.delivery_failed", True),
        ("webhook.delivery_failed", "webhook.delivery_failed", True),
        ("custom.*", "custom.a.b", True),
        ("custom.a.*", "custom.b", False),
        ("ProvisioningStarted", "provisioningstarted", False),
    ],
)
def test_a_prefix_matches_what_lies_below_it(pattern: str, name: str, matches: bool) -> None:
    assert type_matches(pattern, name) is matches


@given(st.sampled_from(SEVERITIES), st.sampled_from(SEVERITIES))
def test_an_event_less_severe_than_asked_for_is_not_sent(least: Severity, severity: Severity) -> None:
    wanted = wants(an_endpoint(min_severity=least), an_event(severity=severity))
    assert wanted is (SEVERITIES.index(severity) >= SEVERITIES.index(least))


@pytest.mark.parametrize(
    ("types", "name", "wanted"),
    [
        (("storage.threshold_exceeded", "storage.threshold_recovered"), "storage.threshold_recovered", True),
        (("storage.threshold_exceeded", "storage.threshold_recovered"), "storage.threshold_exceeded", False),
        (("storage.*",), "storage.threshold_recovered", False),
        (("*",), "permission.revoked", False),
        (("permission.revoked",), "permission.revoked", True),
    ],
)
def test_what_ends_a_matter_passes_where_its_type_is_named(types: tuple[str, ...], name: str, wanted: bool) -> None:
    endpoint, event = an_endpoint(types=types, min_severity="critical"), an_event(type=name, severity="low")
    assert wants(endpoint, event) is wanted
    assert ("minSeverity" in objections(endpoint, event)) is not wanted


@given(st.sampled_from(SEVERITIES), st.lists(st.sampled_from(["*", "custom.*", "custom.test", "storage.*"])))
def test_one_matching_type_is_enough_and_none_is_not(severity: Severity, types: list[str]) -> None:
    expected = any(name != "storage.*" for name in types)
    assert wants(an_endpoint(types=tuple(types)), an_event(severity=severity)) is expected


def test_a_tenant_is_known_by_its_own_id_or_microsofts() -> None:
    event = an_event(tenant=Tenant(id="contoso", microsoft_tenant_id="235ec2cb"))
    assert wants(an_endpoint(tenants=("contoso",)), event)
    assert wants(an_endpoint(tenants=("fabrikam", "235ec2cb")), event)
    assert not wants(an_endpoint(tenants=("fabrikam",)), event)
    assert not wants(an_endpoint(tenants=("contoso",)), an_event())


@pytest.mark.parametrize(
    ("pattern", "site", "matches"),
    [
        (SITE, SITE, True),
        (SITE, SITE + "/", True),
        (SITE + "/", SITE, True),
        (SITE, SITE.upper(), True),
        (SITE, SITE + "-archive", False),
        (SITE, SITE + "/sub", False),
        (SITE + "*", SITE + "-archive", True),
        (SITE + "/*", SITE + "/sub/deeper", True),
        ("https://contoso.sharepoint.com/*", SITE, True),
        ("https://contoso.sharepoint.com/*", "https://contoso.sharepoint.com.evil.example/x", False),
        ("https://*.sharepoint.com/sites/h?", SITE, True),
        ("https://contosoxsharepoint.com/sites/hr", SITE, False),
        (SITE, SITE + "\nmore", False),
    ],
)
def test_sites_are_urls_with_wildcards_that_ignore_case_and_a_last_slash(
    pattern: str, site: str, matches: bool
) -> None:
    assert wants(an_endpoint(sites=(pattern,)), at_site(site)) is matches


def test_a_provisioned_workspace_is_at_its_url() -> None:
    assert wants(an_endpoint(sites=(SITE,)), at_site(SITE, "url"))


@pytest.mark.parametrize("event", [at_site(None), at_site(5), at_site([SITE]), an_event(content="{}")])
def test_an_event_that_names_no_site_passes_no_site_filter(event: Any) -> None:
    assert not wants(an_endpoint(sites=("*",)), event)
    assert wants(an_endpoint(), event)


def test_all_filters_must_let_an_event_through() -> None:
    event = an_event(content=json.dumps({"siteUrl": SITE}), severity="high", tenant=Tenant(id="contoso"))
    filters: dict[str, Any] = {"min_severity": "high", "tenants": ("contoso",), "sites": (SITE,)}
    assert wants(an_endpoint(**filters), event)
    for change in (
        {"min_severity": "critical"},
        {"tenants": ("other",)},
        {"sites": ("https://x/*",)},
        {"types": ("storage.*",)},
    ):
        assert not wants(an_endpoint(**(filters | change)), event)


@given(
    st.lists(st.sampled_from(["*", "storage.*", "custom.a", "webhook.*"]), min_size=1, max_size=3),
    st.sampled_from([None, *SEVERITIES]),
    st.sampled_from([(), ("contoso",), ("fabrikam",)]),
    st.sampled_from([(), (f"{SITE}*",), ("https://other.example/*",)]),
    st.booleans(),
    st.sampled_from(["storage.threshold_exceeded", "custom.a", "webhook.delivery_failed"]),
    st.sampled_from(SEVERITIES),
    st.booleans(),
)
def test_an_event_goes_where_nothing_stands_against_it(
    types: list[str],
    least: Severity | None,
    tenants: tuple[str, ...],
    sites: tuple[str, ...],
    enabled: bool,
    name: str,
    severity: Severity,
    named: bool,
) -> None:
    """What is explained is what publishing does."""
    given: dict[str, Any] = {
        "types": tuple(types),
        "min_severity": least,
        "tenants": tenants,
        "sites": sites,
        "enabled": enabled,
    }
    endpoint = an_endpoint(**given, by_admin=True)  # who else may hear of which endpoint is no matter of filters
    content = json.dumps({"siteUrl": SITE} if named else {})
    event = an_event(type=name, severity=severity, content=content, tenant=Tenant(id="contoso"))
    against = objections(endpoint, event)
    assert (not against) is (wants(endpoint, event) and endpoint.receives)
    assert ("disabled" in against) is not enabled
