"""The scripts in infra/scripts against a fake az and azd: their effects, and that twice is as good as once.

Each test runs the bash scripts and, where there is a `pwsh` on the PATH, their PowerShell twins.
"""

import contextlib
import copy
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from shared.api.http.auth import Role

from .fake_azure import commands
from .fake_services import services

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the fake az and azd are for Linux and macOS")
ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "infra" / "scripts"
BASH = sorted(SCRIPTS.glob("*.sh"))
PWSH = shutil.which("pwsh")
UTILITIES = re.findall(r"\w+", "awk base64 bash cat cut dirname env grep head mktemp paste rm sed sleep sort tr")
"""What the scripts need beside az and azd. Nothing else is on their PATH: the machine may have an az of its own."""
TENANT, SUBSCRIPTION = "7c1d5b06-1a55-4a75-8d0c-2c1ff1d4d3a1", "11111111-2222-3333-4444-555555555555"
USER, GROUP, IDENTITY = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")
MANAGEMENT_APIS = "c5393580-f805-4401-95e8-94b7a6ef2fc2"
GRAPH_PERMISSIONS = ["Reports.Read.All", "ReportSettings.Read.All"]
PROVISIONING_PERMISSIONS = ["User.Read.All", "Group.ReadWrite.All", "Community.ReadWrite.All"]
FEED_ROLE = {"id": "feed", "value": "ActivityFeed.Read", "allowedMemberTypes": ["Application"]}
VAULT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-dev/providers/Microsoft.KeyVault/vaults/kv-dev"
DENIED = 'Forbidden({"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges"}})'


class Azure:
    """A tenant, a subscription and an azd environment as the fake tools see them, and scripts in one language."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._tools = folder
        self.suffix = suffix
        self.scripts = SCRIPTS
        for utility in UTILITIES:
            (folder / utility).symlink_to(shutil.which(utility) or utility)
        names = ["Domain.Read.All", *GRAPH_PERMISSIONS, "Sites.Read.All", *PROVISIONING_PERMISSIONS]
        graph_roles, sharepoint_roles = (
            [
                {"id": f"{kind}-{name}", "value": name, "allowedMemberTypes": [kind]}
                for kind in ("User", "Application")
                for name in of_one
            ]
            for of_one in (names, ["Sites.FullControl.All"])
        )
        values = {"AZURE_ENV_NAME": "dev", "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION, "AZURE_LOCATION": "westeurope"}
        self.state: dict[str, Any] = {
            "signedIn": True, "signedInAs": "user", "refusals": [], "graph": "https://graph.microsoft.com",
            "manager": "https://management.azure.com",
            "subscription": SUBSCRIPTION, "subscriptions": {SUBSCRIPTION: TENANT},
            "applications": [], "assignments": [], "resources": {},
            "users": [{"id": USER, "userPrincipalName": "ada@contoso.com"}], "groups": [{"id": GROUP}],
            "servicePrincipals": [
                {"id": "graph", "appId": "00000003-0000-0000-c000-000000000000", "appRoles": graph_roles},
                {"id": "management", "appId": MANAGEMENT_APIS, "appRoles": [FEED_ROLE]},
                {"id": "sharepoint", "appId": "00000003-0000-0ff1-ce00-000000000000", "appRoles": sharepoint_roles},
                {"id": IDENTITY, "appId": "d" * 8 + "-0000-4000-8000-000000000000"},
            ],
            "vaults": [], "deletedVaults": [], "secrets": {},
            "selected": "dev", "environments": {"dev": values}, "calls": [],
        }  # fmt: skip

    def remove(self, tool: str) -> None:
        (self._tools / tool).unlink()

    @property
    def environment(self) -> dict[str, str]:
        """The values of the azd environment."""
        values: dict[str, str] = self.state["environments"]["dev"]
        return values

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As azd runs it: from the project's root, the azd environment in its environment."""
        self.state["calls"].clear()
        outside = {"PATH": str(self._tools), "HOME": str(self._tools), "ENTRA_WAIT_SECONDS": "0", "NO_COLOR": "1"}
        outside |= {"POWERSHELL_TELEMETRY_OPTOUT": "1", "POWERSHELL_UPDATECHECK": "Off"}
        shell = [str(PWSH), "-NoLogo", "-NoProfile", "-NonInteractive", "-File"] if self.suffix == ".ps1" else []
        command = [*shell, str(self.scripts / f"{script}{self.suffix}"), *arguments]
        return subprocess.run(command, cwd=ROOT, env=outside | self.environment, capture_output=True, encoding="utf-8")

    def succeed(self, script: str, *arguments: str) -> str:
        done = self.run(script, *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def fail(self, script: str, *arguments: str) -> str:
        done = self.run(script, *arguments)
        assert done.returncode == 1, done.stdout
        assert done.stderr.startswith("error: ")
        return done.stderr

    def changes(self) -> list[str]:
        """The calls of the last run that could change something."""
        calls = (" ".join(call) for call in self.state["calls"])
        return [call for call in calls if re.search(r"--method (?!get)|azd env set", call)]

    def provision(self) -> None:
        """What infra/modules/keyvault.bicep does with the vault and its secret."""
        if not self.state["vaults"]:
            if self.environment.get("RECOVER_KEY_VAULT") == "true":
                self.state["vaults"] = [{"id": VAULT, "tags": {"azd-env-name": "dev"}}]
                self.state["deletedVaults"] = []
                self.state["secrets"] = self.state.pop("deletedSecrets")
            else:
                assert not self.state["deletedVaults"], "the name of a deleted vault is taken"
                self.state["vaults"] = [{"id": VAULT, "tags": {"azd-env-name": "dev"}}]
        if self.environment.get("SECRETS_KEY"):
            self.state["secrets"].setdefault(f"{VAULT}/secrets/SECRETS-KEY", self.environment["SECRETS_KEY"])

    def down(self) -> None:
        """`azd down`: purge protection keeps the vault, deleted."""
        properties = {"location": "westeurope", "tags": {"azd-env-name": "dev"}}
        self.state |= {"vaults": [], "deletedVaults": [{"name": "kv-dev", "properties": properties}]}
        self.state["deletedSecrets"], self.state["secrets"] = self.state["secrets"], {}

    @property
    def key(self) -> str:
        """What the vault holds."""
        return str(self.state["secrets"][f"{VAULT}/secrets/SECRETS-KEY"])


LANGUAGES = [
    pytest.param(".sh", id="bash"),
    pytest.param(
        ".ps1",
        id="PowerShell",
        marks=pytest.mark.skipif(PWSH is None, reason="there is no PowerShell (pwsh) on the PATH"),
    ),
]


@pytest.fixture(params=LANGUAGES)
def azure(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Azure]:
    tools = tmp_path / "tools"
    tools.mkdir()
    azure = Azure(tools, request.param)
    with contextlib.ExitStack() as stack:
        if request.param == ".ps1":
            stack.enter_context(services(azure.state))
        stack.enter_context(commands(azure.state, tools))
        yield azure


@pytest.fixture
def registered(azure: Azure) -> Azure:
    azure.succeed("register-app")
    return azure


def our_roles() -> list[dict[str, Any]]:
    roles: list[dict[str, Any]] = json.loads((SCRIPTS / "app-roles.json").read_text())
    return roles


# Registering


def test_the_roles_are_those_that_the_app_asks_for() -> None:
    assert {role["value"] for role in our_roles()} == {str(role) for role in Role}
    assert all(set(role["allowedMemberTypes"]) == {"User", "Application"} for role in our_roles())


def test_registering_makes_an_application_that_a_token_can_be_had_for(azure: Azure) -> None:
    told = azure.succeed("register-app")
    [application] = azure.state["applications"]
    client = application["appId"]
    assert application["displayName"] == "Tenant Hooks (dev)"
    assert application["signInAudience"] == "AzureADMyOrg"
    assert application["appRoles"] == our_roles()
    assert application["identifierUris"] == [f"api://{client}"]
    assert application["api"]["requestedAccessTokenVersion"] == 2
    [scope] = application["api"]["oauth2PermissionScopes"]
    [allowed] = application["api"]["preAuthorizedApplications"]
    assert allowed["delegatedPermissionIds"] == [scope["id"]]
    assert [each["appId"] for each in azure.state["servicePrincipals"]].count(client) == 1
    assert azure.environment["ENTRA_CLIENT_ID"] == client
    assert azure.environment["ENTRA_TENANT_ID"] == TENANT
    assert f"Set ENTRA_CLIENT_ID={client}" in told
    assert f"audience api://{client}" in told


def test_mail_is_allowed_for_one_mailbox_by_exchange_and_granted_nowhere(azure: Azure) -> None:
    """Mail.Send of Entra is for every mailbox of the tenant, and a smaller scope in Exchange would not bound it."""
    azure.environment["APP_IDENTITY_PRINCIPAL_ID"] = IDENTITY
    for more in ([], [IDENTITY]):
        told = azure.succeed("grant-graph-permissions", "mail", "alerts@contoso.com", *more)
        client = "d" * 8 + "-0000-4000-8000-000000000000"
        assert f"New-ServicePrincipal -AppId {client} -ObjectId {IDENTITY} " in told
        assert """-RecipientRestrictionFilter "UserPrincipalName -eq 'alerts@contoso.com'\"""" in told
        assert f"-App {IDENTITY} -Role 'Application Mail.Send' -CustomResourceScope 'Tenant Hooks mail'" in told
        assert "azd env set MAIL_SENDERS alerts@contoso.com" in told
        assert azure.changes() == []
    assert azure.state["assignments"] == []
    assert "does not exist" in azure.fail(
        "grant-graph-permissions", "mail", "alerts@contoso.com", "e" * 8 + "-0000-4000-8000-" + "0" * 12
    )


@pytest.mark.parametrize("mailbox", [[], ["alerts"], ["a'@contoso.com"], ["alerts@contoso.com", IDENTITY, "x"]])
def test_mail_needs_a_mailbox(azure: Azure, mailbox: list[str]) -> None:
    assert "usage: grant-graph-permissions" in azure.fail("grant-graph-permissions", "mail", *mailbox)


@pytest.mark.parametrize("known", [True, False], ids=["known to azd", "found by name"])
def test_registering_twice_changes_nothing(registered: Azure, known: bool) -> None:
    first = copy.deepcopy(registered.state["applications"])
    if not known:
        del registered.environment["ENTRA_CLIENT_ID"], registered.environment["ENTRA_TENANT_ID"]
    told = registered.succeed("register-app")
    assert registered.state["applications"] == first
    assert "App roles unchanged" in told
    assert "Service principal unchanged" in told
    assert all("azd env set" in call for call in registered.changes())
    assert bool(registered.changes()) is not known


def test_the_address_of_the_console_is_told_once_and_others_stay(registered: Azure) -> None:
    [application] = registered.state["applications"]
    application["spa"] = {"redirectUris": ["https://other.example/"]}
    registered.environment["API_URL"] = "https://func-dev.azurewebsites.net"
    assert "Set the console address https://func-dev.azurewebsites.net/console/" in registered.succeed("register-app")
    expected = ["https://func-dev.azurewebsites.net/console/", "https://other.example/"]
    assert application["spa"] == {"redirectUris": expected}
    assert "Console address unchanged" in registered.succeed("register-app")
    assert registered.changes() == []
    registered.environment["PUBLIC_URL"] = "https://hooks.contoso.com/api/"
    registered.succeed("register-app")
    assert application["spa"] == {"redirectUris": ["https://hooks.contoso.com/api/console/", *expected]}


def test_provisioning_ends_with_the_address_of_the_console_known_to_entra(registered: Azure) -> None:
    registered.environment["API_URL"] = "https://func-dev.azurewebsites.net"
    assert "see the console at /console/" in deploy(registered)
    [application] = registered.state["applications"]
    assert application["spa"] == {"redirectUris": ["https://func-dev.azurewebsites.net/console/"]}


def test_it_prints_what_the_documentation_says(azure: Azure) -> None:
    azure.state["environments"]["dev"]["AZURE_ENV_NAME"] = "prod"
    azure.state["environments"]["prod"] = azure.environment
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    samples = re.findall(r"```text\n(.*?)\n +```", text, re.DOTALL)
    assert len(samples) == 2
    for sample in samples:
        told = azure.succeed("register-app")
        pattern = re.escape(textwrap.dedent(sample)).replace("…", r"[0-9a-f-]{36}")
        assert re.fullmatch(pattern, told.rstrip("\n")), told


def test_a_registration_made_by_hand_keeps_its_ids_and_what_else_it_has(registered: Azure) -> None:
    [application] = registered.state["applications"]
    admin, publish, *_ = our_roles()
    other = admin | {"id": "other", "value": "Other", "description": 'Not [ours], "quoted"'}
    substring = admin | {"id": "substring", "value": "Point"}
    application["appRoles"] = [other, admin | {"id": "by-hand"}, publish | {"allowedMemberTypes": ["User"]}, substring]
    application["api"] = {
        "requestedAccessTokenVersion": None,
        "oauth2PermissionScopes": [{"id": "theirs", "value": "Do.Something", "isEnabled": True}],
        "preAuthorizedApplications": [{"appId": "another", "delegatedPermissionIds": ["theirs"]}],
    }
    application["identifierUris"] = ["api://contoso.com/hooks"]
    registered.succeed("register-app")
    [after] = registered.state["applications"]
    ids = {role["value"]: role["id"] for role in after["appRoles"]}
    wanted = {role["value"]: role["id"] for role in our_roles()}
    assert ids == wanted | {"Point.Admin": "by-hand", "Other": "other", "Point": "substring"}
    assert other in after["appRoles"]
    assert all(len(role["allowedMemberTypes"]) == 2 for role in after["appRoles"])
    assert [scope["value"] for scope in after["api"]["oauth2PermissionScopes"]] == [
        "user_impersonation",
        "Do.Something",
    ]
    assert [client["appId"] for client in after["api"]["preAuthorizedApplications"]][1:] == ["another"]
    assert after["api"]["requestedAccessTokenVersion"] == 2
    assert after["identifierUris"] == [f"api://{after['appId']}", "api://contoso.com/hooks"]
    registered.succeed("register-app")
    assert registered.changes() == []


def test_names_that_differ_in_case_are_other_names(registered: Azure) -> None:
    """Graph tells them apart, and so do tokens: point.admin lets nobody in."""
    [application] = registered.state["applications"]
    [admin] = [role for role in application["appRoles"] if role["value"] == "Point.Admin"]
    admin |= {"value": "point.admin", "id": "by-hand", "description": "Für Prüfer"}
    scopes = application["api"]["oauth2PermissionScopes"]
    scopes[0]["value"] = "User_Impersonation"
    scopes[0]["id"] = "scope by hand"
    application["api"]["preAuthorizedApplications"] = []
    assert "there is no app role Point.Admin" in registered.fail("grant-role", "Point.Admin", "me")
    assert "Set the app roles Point.Admin" in registered.succeed("register-app")
    [after] = registered.state["applications"]
    ids = {role["value"]: role["id"] for role in after["appRoles"]}
    assert ids == {role["value"]: role["id"] for role in our_roles()} | {"point.admin": "by-hand"}
    assert admin in after["appRoles"], "letters of other languages too are sent back as they were"
    assert {scope["value"] for scope in after["api"]["oauth2PermissionScopes"]} == {
        *("User_Impersonation", "user_impersonation")
    }
    assert "Granted Point.Admin" in registered.succeed("grant-role", "Point.Admin", "me")


def test_it_runs_in_a_folder_whose_name_is_a_pattern(azure: Azure, tmp_path: Path) -> None:
    azure.scripts = tmp_path / "we[i]rd name"
    shutil.copytree(SCRIPTS, azure.scripts)
    assert "Made the app registration" in azure.succeed("register-app")
    assert "SECRETS_KEY: made one" in azure.succeed("secrets-key")


def test_a_service_principal_is_tried_again_until_entra_knows_the_application(azure: Azure) -> None:
    unknown = "The appId '1' of the service principal does not reference a valid application object."
    azure.state["refusals"] = [{"call": "/servicePrincipals --resource", "times": 2, "error": unknown}]
    azure.succeed("register-app")
    assert azure.environment["ENTRA_CLIENT_ID"] in [each["appId"] for each in azure.state["servicePrincipals"]]


@pytest.mark.parametrize("call", ["$select=api,identifierUris", "rest --method patch"], ids=["read", "change"])
def test_a_registration_just_made_is_asked_for_again_until_entra_knows_it(azure: Azure, call: str) -> None:
    unknown = 'Not Found({"error":{"code":"Request_ResourceNotFound","message":"Resource \'1\' does not exist"}})'
    azure.state["refusals"] = [{"call": call, "times": 2, "error": unknown}]
    azure.succeed("register-app")
    [application] = azure.state["applications"]
    assert application["identifierUris"] == [f"api://{application['appId']}"]
    assert application["api"]["preAuthorizedApplications"]


def test_a_registration_that_stays_unknown_is_told_of(azure: Azure) -> None:
    unknown = 'Not Found({"error":{"code":"Request_ResourceNotFound","message":"Resource \'1\' does not exist"}})'
    azure.state["refusals"] = [{"call": "rest --method patch", "times": 100, "error": unknown}]
    assert "Resource '1' does not exist" in azure.fail("register-app")


def test_two_registrations_of_one_name_are_not_guessed_between(registered: Azure) -> None:
    del registered.environment["ENTRA_CLIENT_ID"]
    [application] = registered.state["applications"]
    registered.state["applications"].append(application | {"id": "2", "appId": "2"})
    assert "azd env set ENTRA_CLIENT_ID <application id>" in registered.fail("register-app")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"owners": []}, "the account that is signed in is not among its owners"),
        ({"owners": [GROUP, IDENTITY]}, "the account that is signed in is not among its owners"),
        ({"signInAudience": "AzureADMultipleOrgs"}, "it lets in accounts of other tenants (AzureADMultipleOrgs)"),
        ({"passwordCredentials": [{"keyId": "1"}]}, "it has credentials, so that somebody can act as it"),
        ({"keyCredentials": [{"keyId": "1"}]}, "it has credentials, so that somebody can act as it"),
        ({"federatedIdentityCredentials": ["1"]}, "it has credentials, so that somebody can act as it"),
    ],
    ids=["nobody's", "others'", "of all tenants", "password", "certificate", "federated"],
)
def test_a_registration_that_is_known_by_its_name_alone_must_be_ours(
    registered: Azure, changes: dict[str, Any], why: str
) -> None:
    """Any member of the tenant could make one of this name beforehand, and give out its roles for ever after."""
    client = registered.environment.pop("ENTRA_CLIENT_ID")
    [application] = registered.state["applications"]
    application |= changes | {"appRoles": []}
    before = copy.deepcopy(application)
    told = registered.fail("register-app")
    assert why in told
    assert f"azd env set ENTRA_CLIENT_ID {client}" in told
    assert registered.changes() == []
    assert application == before
    registered.environment["ENTRA_CLIENT_ID"] = client
    assert "App registration ready" in registered.succeed("register-app"), "what the operator has named is used"


def test_an_application_that_is_signed_in_owns_nothing(registered: Azure) -> None:
    del registered.environment["ENTRA_CLIENT_ID"]
    registered.state["signedInAs"] = "servicePrincipal"
    assert "az is signed in as an application" in registered.fail("register-app")
    assert registered.changes() == []


def test_admins_alone_consent_to_the_scope_of_a_registration_of_before(registered: Azure) -> None:
    """With `User` any application that a user agrees to could call the app with that user's roles."""
    [application] = registered.state["applications"]
    [scope] = application["api"]["oauth2PermissionScopes"]
    assert scope["type"] == "Admin"
    other = scope | {"id": "theirs", "value": "Do.Something", "type": "User"}
    application["api"]["oauth2PermissionScopes"] = [other, scope | {"id": "by-hand", "type": "User"}]
    assert "to which admins consent" in registered.succeed("register-app")
    scopes = {each["value"]: each for each in registered.state["applications"][0]["api"]["oauth2PermissionScopes"]}
    assert (scopes["user_impersonation"]["type"], scopes["user_impersonation"]["id"]) == ("Admin", "by-hand")
    assert scopes["Do.Something"] == other
    registered.succeed("register-app")
    assert registered.changes() == []


def test_a_client_id_that_is_not_there_is_named(registered: Azure) -> None:
    registered.environment["ENTRA_CLIENT_ID"] = "nobody"
    assert "ENTRA_CLIENT_ID is nobody" in registered.fail("register-app")


def test_a_pipeline_can_leave_the_registration_alone(azure: Azure) -> None:
    azure.environment["ENTRA_REGISTER"] = "false"
    assert "ENTRA_CLIENT_ID must name" in azure.fail("register-app")
    azure.environment["ENTRA_CLIENT_ID"] = "somebody else's"
    azure.remove("az")
    assert "left as it is" in azure.succeed("register-app")


# What is missing


@pytest.mark.parametrize(
    "script", ["register-app", "grant-graph-permissions", "grant-sharing-permissions", "secrets-key"]
)
def test_without_az_it_says_where_to_get_it(azure: Azure, script: str) -> None:
    azure.remove("az")
    assert "the Azure CLI (az) is not on the PATH. Install it" in azure.fail(script)


@pytest.mark.parametrize(
    "script", ["register-app", "grant-graph-permissions", "grant-sharing-permissions", "secrets-key"]
)
def test_without_a_sign_in_it_says_to_sign_in(azure: Azure, script: str) -> None:
    azure.state["signedIn"] = False
    assert "Run: az login" in azure.fail(script)


def test_az_in_another_tenant_than_azd_is_refused(azure: Azure) -> None:
    azure.state |= {"subscription": "other", "subscriptions": {SUBSCRIPTION: TENANT, "other": "another-tenant"}}
    assert f"az account set --subscription {SUBSCRIPTION}" in azure.fail("register-app")
    assert azure.state["applications"] == []


def test_a_subscription_that_az_does_not_see_is_named(azure: Azure) -> None:
    azure.environment["AZURE_SUBSCRIPTION_ID"] = "elsewhere"
    assert "Subscription 'elsewhere' not found" in azure.fail("register-app")


@pytest.mark.parametrize(
    ("script", "arguments", "call", "needs"),
    [
        ("register-app", [], "--method post", "Application Administrator"),
        ("grant-role", ["Point.Read", "me"], "--method post", "ownership of the app registration"),
        ("grant-graph-permissions", [IDENTITY], "--method post", "Privileged Role Administrator"),
        ("grant-sharing-permissions", [IDENTITY], "--method post", "Privileged Role Administrator"),
        ("secrets-key", [], "keyvault list", "Reader on the subscription"),
    ],
    ids=["register-app", "grant-role", "grant-graph-permissions", "grant-sharing-permissions", "secrets-key"],
)
def test_a_missing_permission_is_named(azure: Azure, script: str, arguments: list[str], call: str, needs: str) -> None:
    if script.startswith("grant-role"):
        azure.succeed("register-app")
    azure.state["refusals"] = [{"call": call, "times": 9, "error": DENIED}]
    told = azure.fail(script, *arguments)
    assert "This account may not do it. It needs" in told
    assert needs in told


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_an_error_of_graph_is_shown_by_its_code_and_message(azure: Azure, known: bool) -> None:
    code = "Authorization_RequestDenied" if known else "Directory_QuotaExceeded"
    inner = {"date": "2026-11-22T10:00:00", "request-id": "3b735b14"}
    error = {"error": {"code": code, "message": 'The object\'s "quota" is spent', "innerError": inner}}
    text = f"Forbidden({json.dumps(error)})" if known else f"Bad Request({json.dumps(error)})".replace("'", "\\u0027")
    azure.state["refusals"] = [{"call": "--method post", "times": 9, "error": text}]
    told = azure.fail("register-app").splitlines()
    assert told[-1] == f'{code}: The object\'s "quota" is spent'
    assert ("This account may not do it" in told[0]) is known
    assert len(told) == 2


def test_an_error_it_does_not_know_is_shown_as_it_is(azure: Azure) -> None:
    azure.state["refusals"] = [{"call": "--method post", "times": 9, "error": "the tenant's quota is spent"}]
    assert "the tenant's quota is spent" in azure.fail("register-app")


def test_outside_an_azd_environment_the_ids_are_told(azure: Azure) -> None:
    azure.environment.clear()
    azure.remove("azd")
    told = azure.succeed("register-app")
    [application] = azure.state["applications"]
    assert application["displayName"] == "Tenant Hooks"
    assert f"azd env set ENTRA_CLIENT_ID {application['appId']}" in told


# Granting


def role_id(name: str) -> str:
    return next(str(role["id"]) for role in our_roles() if role["value"] == name)


USAGE = "usage: grant-role* ROLE PRINCIPAL"
LOGIC_APP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/flows/providers/Microsoft.Logic/workflows/ticket"
TWO_CASES: dict[str, Any] = {"definition": {"actions": {"Send": {}, "send": {}, "": {}}}}
OWN, FIRST, SECOND = ({"principalId": principal} for principal in (IDENTITY, IDENTITY, GROUP))


@pytest.mark.parametrize(
    ("principal", "resource", "expected"),
    [
        ("me", None, USER),
        ("ada@contoso.com", None, USER),
        (GROUP, None, GROUP),
        ("dddddddd-0000-4000-8000-000000000000", None, IDENTITY),
        (LOGIC_APP, {"type": "Microsoft.Logic/workflows", "identity": OWN}, IDENTITY),
        (
            LOGIC_APP,
            {"type": "Microsoft.Logic/workflows", "identity": {"userAssignedIdentities": {"x": FIRST}}},
            IDENTITY,
        ),
        (LOGIC_APP, {"type": "Microsoft.ManagedIdentity/userAssignedIdentities", "properties": OWN}, IDENTITY),
        (LOGIC_APP, {"type": "Microsoft.Logic/workflows", "identity": OWN, "properties": TWO_CASES}, IDENTITY),
    ],
    ids=[
        *("me", "user name", "object id", "application id", "own identity", "user-assigned identity"),
        *("identity itself", "names that differ in case"),
    ],
)
def test_a_role_is_granted_once(
    registered: Azure, principal: str, resource: dict[str, Any] | None, expected: str
) -> None:
    registered.state["resources"] = {principal: resource} if resource else {}
    told = registered.succeed("grant-role", "Point.Publish", principal)
    assert "Granted Point.Publish" in told
    [granted] = registered.state["assignments"]
    assert (granted["principalId"], granted["appRoleId"]) == (expected, role_id("Point.Publish"))
    told = registered.succeed("grant-role", "Point.Publish", principal)
    assert "Already granted: Point.Publish" in told
    assert registered.state["assignments"] == [granted]


@pytest.mark.parametrize(
    ("identity", "told"),
    [
        (None, "has no managed identity. Turn one on"),
        ({"userAssignedIdentities": {"x": FIRST, "y": SECOND}}, "has several managed identities"),
    ],
    ids=["none", "several"],
)
def test_a_resource_without_one_identity_is_explained(registered: Azure, identity: object, told: str) -> None:
    registered.state["resources"] = {LOGIC_APP: {"type": "Microsoft.Logic/workflows", "identity": identity}}
    assert told in registered.fail("grant-role", "Point.Publish", LOGIC_APP)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], USAGE),
        (["Point.Read", "somebody"], USAGE),
        (["Point.Read", "me", "Point.Publish"], USAGE),
        (["Point.Read", "ME"], USAGE),
        (["point.read", "me"], "there is no app role point.read"),
        (["Point.Everything", "me"], "there is no app role Point.Everything"),
        (["Point.Read", LOGIC_APP], "there is no Azure resource"),
        (["Point.Read", "eeeeeeee-0000-4000-8000-000000000000"], "knows no user, group, service principal"),
    ],
    ids=[
        "nothing",
        "no principal",
        "too much",
        "other case",
        "role in other case",
        "no such role",
        "no such resource",
        "no such id",
    ],
)
def test_a_wrong_grant_is_explained(registered: Azure, arguments: list[str], told: str) -> None:
    assert told.replace("*", registered.suffix) in registered.fail("grant-role", *arguments)
    assert registered.state["assignments"] == []


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("register-app", ["x"]),
        ("grant-graph-permissions", [IDENTITY, "x"]),
        ("grant-sharing-permissions", [IDENTITY, "x"]),
        ("grant-graph-permissions", ["sites", IDENTITY, "x"]),
        ("grant-provisioning-permissions", []),
        ("grant-provisioning-permissions", [IDENTITY]),
        ("grant-provisioning-permissions", ["teams", IDENTITY, "x"]),
        ("secrets-key", ["remember"]),
        ("secrets-key", ["forget", "x"]),
    ],
)
def test_arguments_that_mean_nothing_are_not_passed_over(azure: Azure, script: str, arguments: list[str]) -> None:
    assert f"usage: {script}{azure.suffix}" in azure.fail(script, *arguments)
    assert azure.changes() == []


def test_a_role_that_was_disabled_is_not_granted(registered: Azure) -> None:
    registered.state["applications"][0]["appRoles"][0]["isEnabled"] = False
    assert "there is no app role Point.Admin" in registered.fail("grant-role", "Point.Admin", "me")


def test_a_grant_before_registering_says_what_comes_first(azure: Azure) -> None:
    assert f"run register-app{azure.suffix} first" in azure.fail("grant-role", "Point.Read", "me")


def granted(azure: Azure) -> set[str]:
    return {each["appRoleId"].removeprefix("Application-") for each in azure.state["assignments"]}


def test_graph_permissions_are_granted_once(azure: Azure) -> None:
    """Sites.Read.All lets the identity read all that is in all sites: it is given only to who asks for it."""
    azure.environment["APP_IDENTITY_PRINCIPAL_ID"] = IDENTITY
    told = azure.succeed("grant-graph-permissions")
    assert told.count("Granted ") == 2
    assert granted(azure) == set(GRAPH_PERMISSIONS)
    assert {(each["principalId"], each["resourceId"]) for each in azure.state["assignments"]} == {(IDENTITY, "graph")}
    told = azure.succeed("grant-graph-permissions", "sites")
    assert (told.count("Already granted: "), told.count("Granted ")) == (2, 1)
    assert granted(azure) == {*GRAPH_PERMISSIONS, "Sites.Read.All"}


def test_graph_permissions_may_name_their_identity(azure: Azure) -> None:
    azure.succeed("grant-graph-permissions", IDENTITY)
    assert granted(azure) == set(GRAPH_PERMISSIONS)
    azure.succeed("grant-graph-permissions", "sites", IDENTITY)
    assert granted(azure) == {*GRAPH_PERMISSIONS, "Sites.Read.All"}


def test_graph_permissions_need_an_identity(azure: Azure) -> None:
    assert "deploy with azd up first" in azure.fail("grant-graph-permissions")
    assert "is not an object id" in azure.fail("grant-graph-permissions", "func-dev")
    assert "a new identity takes minutes" in azure.fail(
        "grant-graph-permissions", "e" * 8 + "-0000-4000-8000-" + "0" * 12
    )


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown-to-the-tenant"])
def test_permissions_for_sharing_are_two_and_granted_once(azure: Azure, known: bool) -> None:
    azure.environment["APP_IDENTITY_PRINCIPAL_ID"] = IDENTITY
    if not known:
        azure.state["servicePrincipals"] = [
            each for each in azure.state["servicePrincipals"] if each["appId"] != MANAGEMENT_APIS
        ]
        azure.state["applications"].append({"appId": MANAGEMENT_APIS, "appRoles": [FEED_ROLE]})
    told = azure.succeed("grant-sharing-permissions")
    assert told.count("Granted ") == 2
    assert "azd env set WATCH_SHARING true" in told
    assert [each["appRoleId"] for each in azure.state["assignments"]] == ["feed", "Application-Domain.Read.All"]
    assert {each["principalId"] for each in azure.state["assignments"]} == {IDENTITY}
    azure.environment["WATCH_SHARING"] = "true"
    told = azure.succeed("grant-sharing-permissions")
    assert told.count("Already granted: ") == 2
    assert "WATCH_SHARING" not in told


def test_permissions_for_sharing_need_an_identity(azure: Azure) -> None:
    assert "deploy with azd up first" in azure.fail("grant-sharing-permissions")
    assert "is not an object id" in azure.fail("grant-sharing-permissions", "func-dev")


@pytest.mark.parametrize(
    ("kinds", "graph", "sharepoint"),
    [
        (["groups"], {"Group.ReadWrite.All", "Sites.Read.All", "User.Read.All"}, set()),
        (["sites"], {"Sites.Read.All", "User.Read.All"}, {"Sites.FullControl.All"}),
        (
            ["teams", "sites", "yammer"],
            {"Community.ReadWrite.All", "Group.ReadWrite.All", "Sites.Read.All", "User.Read.All"},
            {"Sites.FullControl.All"},
        ),
    ],
)
def test_making_workspaces_takes_what_its_kinds_take(
    azure: Azure, kinds: list[str], graph: set[str], sharepoint: set[str]
) -> None:
    for granted, code in (("Granted ", True), ("Already granted: ", False)):
        told = azure.succeed("grant-provisioning-permissions", *kinds, IDENTITY)
        assert told.count(granted) == len(graph | sharepoint)
        assert bool(azure.changes()) or not code
    wanted = {("graph", name) for name in graph} | {("sharepoint", name) for name in sharepoint}
    assert {(each["resourceId"], each["appRoleId"]) for each in azure.state["assignments"]} == {
        (resource, f"Application-{name}") for resource, name in wanted
    }


# The key


def deploy(azure: Azure) -> str:
    """One `azd provision`; what the hooks told."""
    told = azure.succeed("pre-provision")
    azure.provision()
    return told + azure.succeed("post-provision")


def test_a_deployment_makes_a_key_and_the_next_ones_keep_it(azure: Azure) -> None:
    told = deploy(azure)
    key = azure.key
    Fernet(key)
    assert "SECRETS_KEY: made one" in told
    assert azure.environment["SECRETS_KEY"] == ""
    again = deploy(azure)
    assert "SECRETS_KEY: kept as it is in kv-dev" in again
    assert azure.key == key
    assert key not in told + again


def test_the_key_is_on_no_command_line(azure: Azure) -> None:
    azure.succeed("secrets-key")
    key = azure.environment["SECRETS_KEY"]
    Fernet(key)
    assert key not in json.dumps(azure.state["calls"])


def test_two_deployments_have_two_keys(azure: Azure) -> None:
    azure.succeed("secrets-key")
    first = azure.environment.pop("SECRETS_KEY")
    azure.succeed("secrets-key")
    assert azure.environment["SECRETS_KEY"] != first


def test_a_deployment_that_broke_off_goes_on_with_its_key(azure: Azure) -> None:
    azure.succeed("secrets-key")
    key = azure.environment["SECRETS_KEY"]
    assert "the key is still in the azd environment" in azure.fail("secrets-key", "forget")
    assert azure.environment["SECRETS_KEY"] == key
    deploy(azure)
    assert azure.key == key


def test_a_new_machine_without_the_azd_environment_keeps_the_key(azure: Azure) -> None:
    deploy(azure)
    key = azure.key
    for name in ("SECRETS_KEY", "ENTRA_CLIENT_ID", "ENTRA_TENANT_ID", "RECOVER_KEY_VAULT"):
        azure.environment.pop(name, None)
    deploy(azure)
    assert azure.key == key


def test_a_key_given_late_does_not_replace_the_one_in_the_vault(azure: Azure) -> None:
    deploy(azure)
    key = azure.key
    azure.environment["SECRETS_KEY"] = Fernet.generate_key().decode()
    deploy(azure)
    assert azure.key == key


def test_after_azd_down_the_deleted_vault_comes_back_with_its_key(azure: Azure) -> None:
    deploy(azure)
    key = azure.key
    azure.down()
    told = deploy(azure)
    assert "the vault kv-dev of this environment is deleted but not gone" in told
    assert azure.key == key
    assert azure.environment["RECOVER_KEY_VAULT"] == "false"


@pytest.mark.parametrize("call", ["keyvault list ", "keyvault list-deleted", "/secrets/"])
def test_no_key_is_made_when_it_cannot_be_seen_whether_there_is_one(azure: Azure, call: str) -> None:
    if call == "/secrets/":
        deploy(azure)
    azure.state["refusals"] = [{"call": call, "times": 1, "error": "(AuthorizationFailed) The client may not."}]
    assert "AuthorizationFailed" in azure.fail("secrets-key")
    assert not azure.environment.get("SECRETS_KEY")


@pytest.mark.parametrize("page", ["<html>Sign in to the network</html>\n", '{"signIn": "https://proxy"}\n'])
def test_the_page_of_a_proxy_is_neither_a_key_nor_the_lack_of_one(azure: Azure, page: str) -> None:
    deploy(azure)
    azure.state["refusals"] = [{"call": "/secrets/", "times": 1, "page": page}]
    assert "Looking for the key failed." in azure.fail("secrets-key")
    assert not azure.environment.get("SECRETS_KEY")
    assert azure.changes() == []


def test_vaults_of_other_environments_do_not_count(azure: Azure) -> None:
    azure.state["vaults"] = [{"id": VAULT + "2", "tags": {"azd-env-name": "other"}}, {"id": VAULT + "3", "tags": None}]
    azure.state["secrets"] = {f"{VAULT}2/secrets/SECRETS-KEY": "x"}
    assert "made one" in azure.succeed("secrets-key")


def test_a_deleted_vault_of_another_region_is_another(azure: Azure) -> None:
    """Its name has the region in it, so that it cannot come back here."""
    deploy(azure)
    azure.down()
    azure.environment["AZURE_LOCATION"] = "northeurope"
    assert "made one" in azure.succeed("secrets-key")
    assert azure.environment["RECOVER_KEY_VAULT"] == "false"


def test_two_vaults_of_one_environment_are_not_guessed_between(azure: Azure) -> None:
    azure.state["vaults"] = [{"id": VAULT + digit, "tags": {"azd-env-name": "dev"}} for digit in "12"]
    assert "several Key Vaults" in azure.fail("secrets-key")


# Lint, and what can be said of the PowerShell twins where they cannot run


def test_shellcheck_finds_nothing() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    command: list[str | Path] = [shellcheck, "--external-sources", "--severity=style", f"--source-path={ROOT}", *BASH]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_each_script_can_be_started_and_has_a_twin() -> None:
    assert {path.stem for path in BASH} == {path.stem for path in SCRIPTS.glob("*.ps1")}
    for path in BASH:
        assert os.access(path, os.X_OK) is path.read_text().startswith("#!"), path.name


NAMES = re.compile(
    r"""[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}  # well-known applications, and our scope
    | \b(?:Point|[A-Z]\w+\.(?:Read|ReadWrite|FullControl))\.\w+\b  # roles and permissions
    | user_impersonation | \bapp-roles\.json
    | \b(?:AZURE|ENTRA|APP|SECRETS|RECOVER|GRAPH|WATCH)_[A-Z_]+\b  # values of the azd environment
    | \b(?:API_URL|CONSOLE|PUBLIC_URL)\b
    | appRoleAssignedTo | servicePrincipals | directoryObjects | preAuthorizedApplications | identifierUris  # Graph
    | \b(?:API_URL|CONSOLE|PUBLIC_URL)\b | redirectUris
    | console\.mjs | shared/console/vendor | --ignore-scripts | /console/
    | SECRETS-KEY | keyvault.list(?:-deleted)? | api-version=[\d-]+ | azd-env-name
    | (?:Privileged\ Role|Cloud\ Application|Application|Access\ Control)\ Administrator
    | (?:az|register-app|grant-role|grant-(?:graph|sharing|provisioning)-permissions|secrets-key)(?=\.(?:sh|ps1)\b)""",
    re.VERBOSE,
)


@pytest.mark.parametrize("script", [path.stem for path in BASH])
def test_both_variants_name_the_same(script: str) -> None:
    """A slip in a name would be seen by the tests above too, but only where there is a PowerShell."""
    bash, powershell = (
        {name for line in path.read_text().splitlines() if "twin" not in line for name in NAMES.findall(line)}
        for path in (SCRIPTS / f"{script}.sh", SCRIPTS / f"{script}.ps1")
    )
    assert bash == powershell
    assert bash
