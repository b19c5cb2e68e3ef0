"""For whom the app's managed identity may prove itself."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.simulated_host import SETTINGS
from shared.model.audiences import ALLOWED, allowed_problem, audience_problem, scope_of
from shared.model.clouds import POWER_AUTOMATE
from shared.settings import SettingsError, read_settings

TOLD_IN = "docs/security.md#the-apps-identity"

OWN_RIGHTS = [
    "https://graph.microsoft.com",
    "https://graph.microsoft.com/",
    "https://GRAPH.microsoft.com:443/",
    "https://graph.microsoft.com./",
    "https://graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
    "https://graph.windows.net/",
    "https://management.azure.com/",
    "https://management.core.windows.net/",
    "https://storage.azure.com/",
    "https://account.queue.core.windows.net",
    "https://vault.azure.net",
    "https://mine.vault.azure.net/",
    "https://contoso.sharepoint.com",
    "api://00000003-0000-0000-c000-000000000000",
    "https://x.example/00000003-0000-0000-C000-000000000000",
    "api://graph.microsoft.com",
    "https://dod-graph.microsoft.us",
    "https://manage.office.com",
    "https://manage-gcc.office.com",
    "https://manage.protection.apps.mil/",
    "api://c5393580-f805-4401-95e8-94b7a6ef2fc2",
    "api://00000007-0000-0ff1-ce00-000000000000",
    "https://MONITOR.azure.com",
    "https://monitor.azure.com:443",
    "https://monitor.azure.us/x",
    "https://x.monitor.azure.cn",
    "api://monitor.azure.com",
    "https://contoso.sharepoint-mil.us",
    "https://canary.graph.microsoft.com/",
    "https://ags.windows.net",
    "https://graph.microsoftazure.us/",
    "https://graph.chinacloudapi.cn",
    "https://foundational.management.azure.net",
    "https://microsoft.sharepoint-df.com",
    "https://onedrive.cloud.microsoft/",
    "https://outlook.office365.com/",
    "https://outlook.office365.com:443/",
    "https://outlook.office.com",
    "https://outlook.com/",
    "https://ps.outlook.com",
    "https://ps.protection.outlook.com/",
    "https://outlook.office365.us/",
    "https://outlook-dod.office365.us/",
    "https://webmail.apps.mil/",
    "https://partner.outlook.cn",
    "https://account.z12.blob.storage.azure.net",
]
IDS = {
    "Azure AD Graph": "00000002-0000-0000-c000-000000000000",
    "Microsoft Graph": "00000003-0000-0000-c000-000000000000",
    "SharePoint": "00000003-0000-0ff1-ce00-000000000000",
    "Exchange Online": "00000002-0000-0ff1-ce00-000000000000",
    "Office 365 Management APIs": "c5393580-f805-4401-95e8-94b7a6ef2fc2",
    "Azure Resource Manager": "797f4846-ba00-4fd7-ba43-dac1f8f63013",
    "Azure Storage": "e406a681-f3d4-42a8-90b6-c2b029497af1",
    "Key Vault": "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
    "Azure Monitor": "e933bd07-d2ee-4f1d-933c-3752b819567b",
    "the exchange of tokens": "fb60f99c-7a34-4190-8149-302f77469936",
}
"""Of the services above: Entra takes an application's id for its address."""
WRITINGS = [
    *("{}", "{}/", "{}/.default", "{{{}}}", "spn:{}", "urn:uuid:{}"),
    *("api://{}", "api://{}/", "api://{}//", "api://{}/.default", "api://{}/user_impersonation", "api://{{{}}}"),
    *("https://{}", "https://{}/", "https://contoso.example/{}", "api://contoso/{}", "api://{}/contoso.example"),
]
EXCHANGES = [
    "api://AzureADTokenExchange",
    "api://azureadtokenexchange/",
    "api://AzureADTokenExchangeUSGov",
    "api://AzureADTokenExchangeChina",
    "api://fb60f99c-7a34-4190-8149-302f77469936",
]
"""By a token for one of these its holder becomes every application that trusts the identity."""


@pytest.mark.parametrize("audience", [*POWER_AUTOMATE, POWER_AUTOMATE[0][:-1], "api://0d5f3c1e", "api://contoso/desk"])
def test_power_automate_and_the_tenants_own_apis_are_allowed(audience: str) -> None:
    assert audience_problem(audience, ALLOWED) is None


@pytest.mark.parametrize("audience", OWN_RIGHTS)
def test_services_in_which_the_app_has_rights_never_are(audience: str) -> None:
    assert audience_problem(audience, [audience, *ALLOWED]) is not None
    assert "rights" in str(audience_problem(audience, [audience, *ALLOWED]))
    assert allowed_problem(audience) is not None


@pytest.mark.parametrize("service", IDS)
def test_they_never_are_by_application_id_however_it_is_written(service: str) -> None:
    identity = IDS[service]
    for writing, written in product(WRITINGS, (identity, identity.upper(), identity.replace("-", ""))):
        audience = writing.format(written)
        assert audience_problem(audience, [audience, *ALLOWED]) is not None, audience
        assert allowed_problem(audience) is not None, audience
    assert f"rights of its own ({service})" in str(audience_problem(f"api://{identity}", ALLOWED))


def test_who_gives_azure_monitors_id_is_told_its_address() -> None:
    said = str(audience_problem(f"api://{IDS['Azure Monitor']}", ALLOWED))
    assert "for Sentinel give https://monitor.azure.com or https://monitor.azure.us" in said


def test_applications_of_the_tenant_have_ids_too() -> None:
    for audience in ("api://3b735b14-de6f-4cf8-adc6-da7eaccbdc31", "api://3b735b14-de6f-4cf8-adc6-da7eaccbdc31/"):
        assert audience_problem(audience, ALLOWED) is None
        assert allowed_problem(audience) is None


@pytest.mark.parametrize("audience", EXCHANGES)
def test_a_token_that_can_be_exchanged_was_among_the_tenants_own_apis(audience: str) -> None:
    assert "rights" in str(audience_problem(audience, ALLOWED))
    assert allowed_problem(audience) is not None


@pytest.mark.parametrize(
    ("audience", "says"),
    [
        ("https://ingest.example/", "ALLOWED_TOKEN_AUDIENCES"),
        ("https://service.flow.microsoft.com.evil.example/", "ALLOWED_TOKEN_AUDIENCES"),
        ("https://service.flow.microsoft.com/x", "ALLOWED_TOKEN_AUDIENCES"),
        ("https://service.flow.microsoft.com//.default", "without /.default"),
        ("api://x/.default", "without /.default"),
        ("", "the audience alone"),
        ("00000003-0000-0000-c000-000000000000", "the audience alone"),
        ("http://service.flow.microsoft.com/", "the audience alone"),
        ("api://a b", "the audience alone"),
        ("https://user@graph.microsoft.com/", "the audience alone"),
        ("api://x\n", "the audience alone"),
        ("api:///graph.microsoft.com", "the audience alone"),
        ("https:///graph.microsoft.com", "the audience alone"),
    ],
)
def test_what_is_refused_says_why(audience: str, says: str) -> None:
    assert says in str(audience_problem(audience, ALLOWED))


@given(st.sampled_from(ALLOWED), st.text(max_size=30))
def test_nothing_but_a_path_of_its_own_makes_another_audience_allowed(allowed: str, more: str) -> None:
    """A pattern ends in * and stands for api:// alone; all others must be met exactly, but for the slash."""
    audience = allowed.removesuffix("*") + more
    if audience_problem(audience, ALLOWED) is None:
        assert audience.startswith("api://") or audience.rstrip("/") == allowed.rstrip("/")


def test_power_automates_scope_has_two_slashes() -> None:
    assert scope_of("https://service.flow.microsoft.com/") == "https://service.flow.microsoft.com//.default"
    assert scope_of("https://service.flow.microsoft.com") == "https://service.flow.microsoft.com//.default"
    assert scope_of("api://x") == "api://x/.default"


def test_the_setting_narrows_and_widens() -> None:
    given = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": SETTINGS.secrets_keys[0]}
    assert read_settings(given).allowed_token_audiences == ALLOWED
    named = given | {"ALLOWED_TOKEN_AUDIENCES": "api://desk, https://ingest.example"}
    allowed = read_settings(named).allowed_token_audiences
    assert audience_problem("https://ingest.example/", allowed) is None
    assert audience_problem("api://desk", allowed) is None
    assert audience_problem("api://other", allowed) is not None
    assert audience_problem(POWER_AUTOMATE[0], allowed) is not None


@pytest.mark.parametrize(
    "pattern", ["*", "https://*", "https://service.flow.microsoft.com/*", "graph", "api:///*", *OWN_RIGHTS]
)
def test_a_setting_that_would_give_too_much_ends_the_start(pattern: str) -> None:
    given = {
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "SECRETS_KEY": SETTINGS.secrets_keys[0],
        "ALLOWED_TOKEN_AUDIENCES": pattern,
    }
    with pytest.raises(SettingsError, match="ALLOWED_TOKEN_AUDIENCES"):
        read_settings(given)
