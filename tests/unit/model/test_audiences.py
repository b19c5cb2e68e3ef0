"""For whom the app's managed identity may prove itself."""

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
    "https://MONITOR.azure.com",
    "https://monitor.azure.com:443",
    "https://monitor.azure.us/x",
    "https://x.monitor.azure.cn",
    "api://monitor.azure.com",
    "https://contoso.sharepoint-mil.us",
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
