"""What must hold of the deployment, and that breaking it would be seen."""

import pytest

from .bicep import deployed, files
from .invariants import RULES

TEXTS = deployed()
MAIN, APP, STORAGE, KEY_VAULT, ROLES = (
    "main.bicep",
    "modules/app.bicep",
    "modules/storage.bicep",
    "modules/keyvault.bicep",
    "modules/roles.bicep",
)
MONITORING, NETWORK = "modules/monitoring.bicep", "modules/network.bicep"
LEAK = "output leak string = {}\n"


@pytest.mark.parametrize("rule", RULES)
def test_it_holds(rule: str) -> None:
    assert list(RULES[rule](files(TEXTS))) == []


BREAKS = [
    ("hardened", STORAGE, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "allowSharedKeyAccess"),
    ("hardened", STORAGE, "    allowBlobPublicAccess: false\n", "", "allowBlobPublicAccess"),
    ("hardened", STORAGE, "'TLS1_2'", "'TLS1_0'", "minimumTlsVersion"),
    ("hardened", KEY_VAULT, "enablePurgeProtection: true", "enablePurgeProtection: recover", "enablePurgeProtection"),
    ("hardened", MONITORING, "DisableLocalAuth: true", "DisableLocalAuth: false", "DisableLocalAuth"),
    ("hardened", APP, "httpsOnly: true", "httpsOnly: easyAuth", "httpsOnly"),
    ("hardened", APP, "scmMinTlsVersion: '1.2'", "scmMinTlsVersion: '1.0'", "scmMinTlsVersion"),
    ("hardened", APP, "    allow: false", "    allow: true", "allow is not False"),
    ("hardened", APP, "name: 'scm'", "name: 'ftp'", "publishing credentials of scm"),
    ("no_keys_read", APP, "= 'https://${app", "= account.listKeys().keys[0].value\nvar x = '${app", "calls listKeys"),
    ("no_keys_read", APP, "'https://${app.", "'${listKeys(account.id, 'x').keys[0].value}${app.", "calls listKeys"),
    ("no_keys_read", APP, "'managedidentity'", "'DefaultEndpointsProtocol=https;AccountKey=x'", "AccountKey"),
    ("no_secret_leaves", MAIN, "output API_URL", LEAK.format("secretsKey") + "output API_URL", "output leak"),
    ("no_secret_leaves", KEY_VAULT, "resource vault", LEAK.format("'${secretsKey}'") + "resource vault", "output leak"),
    ("no_secret_leaves", KEY_VAULT, "tags: tags\n  properties: {\n    tenantId",
     "tags: { k: secretsKey }\n  properties: {\n    tenantId", "resource vault"),
    ("no_secret_leaves", MONITORING, "resource actions", LEAK.format("webhook") + "resource actions", "output leak"),
    ("no_secret_leaves", MAIN, "param secretsKey string = ''", "param secretsKey string = 'k'", "has a default"),
    ("settings_without_secrets", APP, "'@Microsoft.KeyVault(SecretUri=", "'@Microsoft.AppConfiguration(Endpoint=",
     "not a Key Vault reference"),
    ("settings_without_secrets", MAIN, "TENANT_ID: tenantId", "TENANT_ID: secretsKey", "TENANT_ID is a secret"),
    ("required_settings", MAIN, "      RETENTION_DAYS: string(retentionDays)\n", "", "RETENTION_DAYS is not set"),
    ("required_settings", APP, "    AzureWebJobsStorage__queueServiceUri: account.properties.primaryEndpoints.queue\n",
     "", "queueServiceUri is not set"),
    ("required_settings", MAIN, "RETRY_DELAYS:", "RETRY_DELAY:", "RETRY_DELAY is set and nobody reads it"),
    ("nothing_dangerous", MAIN, "TENANT_ID: tenantId", "DANGEROUS_ALLOW_PRIVATE_ENDPOINTS: 'true'", "DANGEROUS"),
    ("nothing_dangerous", APP, "AzureWebJobsDisableHomepage:", "GRAPH_ACCESS_TOKEN:", "GRAPH_ACCESS_TOKEN"),
    ("nothing_dangerous", MAIN, "param tenantId string = ''", "param more object = {}\nparam tenantId string = ''",
     "more is an object"),
    ("nothing_dangerous", MAIN, "settings: {", "settings: more\n    others: {", "not written out"),
    ("roles_are_few", ROLES, "    principalType: 'ServicePrincipal'\n", "", "does not say principalType"),
    ("roles_are_few", ROLES, "b7e6dc6d", "b7e6dc6e", "not a role that may be given"),
    ("roles_are_few", ROLES, "roleDefinitions', keyVaultSecretsUser",
     "roleDefinitions', '8e3af657-a8ff-443c-a75c-2fe8c4bcb635'", "not a role that may be given"),
    ("roles_are_few", ROLES, "  scope: account\n", "", "more than one resource"),
    ("roles_are_few", ROLES, "// The same for what `exhausted` and `sweep` take.\n", "", "no reason above it"),
    ("queues_may_be_used", ROLES, "  scope: provisioningPoison\n", "  scope: provisioning\n",
     "no role on the queue provisioning-poison"),
    ("queues_may_be_used", STORAGE, "  name: 'provisioning'\n", "  name: 'another'\n", "no role on the queue another"),
    ("plan_takes_it", APP, "http20Enabled: true", "linuxFxVersion: 'PYTHON|3.12'", "linuxFxVersion"),
    ("plan_takes_it", APP, "http20Enabled: true", "ftpsState: 'Disabled'", "ftpsState"),
    ("plan_takes_it", MAIN, "'AzureWebJobs.dispatch.Disabled'", "'AzureWebJobs:dispatch:Disabled'", "a setting's name"),
    ("tagged", STORAGE, "  tags: tags\n", "", "account carries no tags"),
    ("access_is_told_of", STORAGE, "  scope: tables\n", "  scope: blobs\n", "tables has no diagnostic settings"),
    ("access_is_told_of", KEY_VAULT, "  scope: vault\n", "", "vault has no diagnostic settings"),
    ("access_is_told_of", STORAGE, "workspaceId: workspace.id", "workspaceId: account.id", "tells nobody"),
    ("subnet_is_guarded", NETWORK, "          networkSecurityGroup: {\n            id: guard.id\n          }\n", "",
     "has no network security group"),
    ("subnet_is_guarded", NETWORK, "access: 'Deny'", "access: 'Allow'", "Outbound is not denied"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "name", "old", "new", "said"), BREAKS)
def test_a_break_is_seen(rule: str, name: str, old: str, new: str, said: str) -> None:
    assert old in TEXTS[name], f"{name} no longer has {old!r}: change this test with it"
    broken = files(TEXTS | {name: TEXTS[name].replace(old, new, 1)})
    assert any(said in complaint for complaint in RULES[rule](broken))


def test_every_rule_has_been_seen_to_fail() -> None:
    assert {rule for rule, *_ in BREAKS} == RULES.keys()
