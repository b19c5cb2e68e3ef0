"""What must be true of the deployment whatever else changes: each rule gives its complaints about the files."""

import re
from collections.abc import Callable, Iterator, Mapping

from shared.settings import Settings

from .bicep import Declared, File, Files, Node, at, functions, literal, members, names, written

Rule = Callable[[Files], Iterator[str]]

ROLES = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
}
"""Roles that may be given, all of them on data; none lets the app change a resource."""

PLATFORM_SETTINGS = {
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__blobServiceUri",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PYTHON_THREADPOOL_THREAD_COUNT",
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
    "AzureWebJobsDisableHomepage",
    "AzureWebJobs.dispatch.Disabled",
    "AzureWebJobs.scan_storage.Disabled",
    "STORAGE_SCAN_SCHEDULE",
}
"""App settings that the host reads and the app does not."""

FOR_LOCAL_USE = (
    "DANGEROUS",
    "GRAPH_ACCESS_TOKEN",
    "GRAPH_BASE_URL",
    "MANAGEMENT_ACCESS_TOKEN",
    "SHAREPOINT_ACCESS_TOKEN",
    "FUNCTIONS_WORKER_RUNTIME",
    "AzureWebJobsStorage:",
)
"""Never named in infra/: settings of a developer's machine, of an older plan, and the connection string."""

OTHER_STORAGE_SETTINGS = {"AzureWebJobsStorage", "AzureWebJobsStorage__accountName"}
"""Which the URIs replace."""

SET_BY_AZURE = {"WEBSITE_HOSTNAME", "WEBSITE_INSTANCE_ID"}
A_PATTERN = {"AzureWebJobs.*.Disabled"}
"""Which PLATFORM_SETTINGS are of."""

MAY_HOLD_SECRETS = {"Microsoft.KeyVault/vaults/secrets", "Microsoft.Insights/actionGroups"}

NOT_ON_THIS_PLAN = {
    "alwaysOn",
    "ftpsState",
    "functionAppScaleLimit",
    "functionsRuntimeScaleMonitoringEnabled",
    "linuxFxVersion",
    "netFrameworkVersion",
    "numberOfWorkers",
    "preWarmedInstanceCount",
    "use32BitWorkerProcess",
    "windowsFxVersion",
}
"""Of siteConfig: Resource Manager answers with error 51021, in newer regions at least."""

REQUIRED: Mapping[str, Mapping[str, object]] = {
    "Microsoft.Storage/storageAccounts": {
        "properties.allowSharedKeyAccess": False,
        "properties.allowBlobPublicAccess": False,
        "properties.allowCrossTenantReplication": False,
        "properties.minimumTlsVersion": "TLS1_2",
        "properties.supportsHttpsTrafficOnly": True,
    },
    "Microsoft.Storage/storageAccounts/blobServices/containers": {"properties.publicAccess": "None"},
    "Microsoft.KeyVault/vaults": {
        "properties.enableRbacAuthorization": True,
        "properties.enableSoftDelete": True,
        "properties.enablePurgeProtection": True,
        "properties.enabledForTemplateDeployment": False,
    },
    "Microsoft.Insights/components": {"properties.DisableLocalAuth": True},
    "Microsoft.Web/sites": {
        "identity.type": "UserAssigned",
        "properties.httpsOnly": True,
        "properties.siteConfig.minTlsVersion": "1.2",
        "properties.siteConfig.scmMinTlsVersion": "1.2",
        "properties.functionAppConfig.deployment.storage.authentication.type": "UserAssignedIdentity",
    },
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"properties.allow": False},
}


def app_settings(files: Files) -> dict[str, tuple[Node, File]]:
    """Every app setting with its value and the file it is in."""
    found = {name: (value, files["main.bicep"]) for name, value in _from_main(files).items()}
    for file in files.values():
        for resource in file.resources("Microsoft.Web/sites/config"):
            if literal(at(resource.object, "name")) == "appsettings":
                properties = at(resource.object, "properties")
                assert properties is not None
                found |= {name: (value, file) for name, value in members(properties).items()}
    return found


def _from_main(files: Files) -> dict[str, Node]:
    written_out = at(files["main.bicep"].one("app").object, "params.settings")
    return members(written_out) if written_out is not None else {}


def hardened(files: Files) -> Iterator[str]:
    """No shared key, no local authentication, no old TLS, no password to publish with."""
    for kind, properties in REQUIRED.items():
        made = [(file, resource) for file in files.values() for resource in file.resources(kind)]
        if not made:
            yield f"there is no {kind}"
        for file, resource in made:
            for path, wanted in properties.items():
                if literal(at(resource.object, path)) != wanted:
                    yield f"{file.name}: {resource.name}.{path} is not {wanted}"
    policies = {
        literal(at(policy.object, "name"))
        for file in files.values()
        for policy in file.resources("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    }
    yield from (f"basic publishing credentials of {name} are allowed" for name in sorted({"ftp", "scm"} - policies))


def no_keys_read(files: Files) -> Iterator[str]:
    """Nothing asks a resource for a key or a connection string, except where to send telemetry."""
    for file in files.values():
        for each in file.declared:
            called = functions(each.value) if each.value is not None else set()
            yield from (f"{file.name}: {each.name} calls {name}" for name in called if name.lower().startswith("list"))
        for hit in re.findall(r"AccountKey=|SharedAccessSignature|(?i:\bsas\w*token)|UseDevelopmentStorage", file.text):
            yield f"{file.name} mentions {hit}"


def no_secret_leaves(files: Files) -> Iterator[str]:
    """A secure parameter goes to a module's secure parameter, into a vault's secret or to the action group that calls
    the address, and nowhere else, by way of a variable neither."""
    for file in files.values():
        secure = {param.name for param in file.all("param") if "secure" in param.decorators}
        yield from (
            f"{file.name}: {p.name} has a default" for p in file.all("param") if p.name in secure and literal(p.value)
        )
        for each in file.declared:  # a variable stands before what uses it
            if not secure & {name[0] for name in names(each.value)}:
                continue
            may = each.kind == "module" or each.type.split("@")[0] in MAY_HOLD_SECRETS
            if each.kind == "var":
                secure.add(each.name)
            elif each.kind != "param" and not may:
                yield f"{file.name}: {each.kind} {each.name} shows a secret"


def settings_without_secrets(files: Files) -> Iterator[str]:
    """The one secret is a reference to the vault, without a version so that it can be rotated."""
    found = app_settings(files)
    value, file = found["SECRETS_KEY"]
    if not re.fullmatch(
        r"'@Microsoft\.KeyVault\(SecretUri=\$\{[\w.]+\}secrets/SECRETS-KEY\)'", written(value, file.text)
    ):
        yield "SECRETS_KEY is not a Key Vault reference"
    for name, (value, file) in found.items():
        secure = {param.name for param in file.all("param") if "secure" in param.decorators}
        if secure & {used[0] for used in names(value)}:
            yield f"{name} is a secret in clear"


def required_settings(files: Files) -> Iterator[str]:
    """Every setting of shared/settings.py is set, but those that belong to a developer's machine."""
    known = {field.alias for field in Settings.model_fields.values() if field.alias}
    wanted = {name for name in known if not name.startswith(FOR_LOCAL_USE)} - OTHER_STORAGE_SETTINGS
    wanted -= SET_BY_AZURE | A_PATTERN
    found = app_settings(files).keys()
    yield from (f"{name} is not set" for name in sorted((wanted | PLATFORM_SETTINGS) - found))
    yield from (f"{name} is set and nobody reads it" for name in sorted(found - known - PLATFORM_SETTINGS))


def nothing_dangerous(files: Files) -> Iterator[str]:
    """Not even by a parameter: what main.bicep passes on as settings is written out there."""
    for file in files.values():
        yield from (f"{file.name} names {word}" for word in FOR_LOCAL_USE if word.lower() in file.text.lower())
    settings = at(files["main.bicep"].one("app").object, "params.settings")
    if settings is None or settings.data != "object":
        yield "main.bicep: the settings of the app are not written out"
    yield from (f"main.bicep: {p.name} is an object" for p in files["main.bicep"].all("param") if p.type == "object")


def roles_are_few(files: Files) -> Iterator[str]:
    """A role by a known name, for a principal whose type is named, on one resource, with the reason in a comment."""
    for file in files.values():
        for role in file.resources("Microsoft.Authorization/roleAssignments"):
            said = f"{file.name}: role {role.name}"
            if literal(at(role.object, "properties.principalType")) != "ServicePrincipal":
                yield f"{said} does not say principalType"
            [name] = {used[0] for used in names(at(role.object, "properties.roleDefinitionId"))} or {"-"}
            guid = literal(file.one(name).value) if name in [each.name for each in file.all("var")] else None
            if guid is None or ROLES.get(name) != guid:
                yield f"{said} gives {name}, which is not a role that may be given"
            if not _scope(role, file):
                yield f"{said} is on more than one resource"
            above = file.text[: file.text.index(role.text)].rstrip().splitlines()[-1]
            if not above.startswith("//"):
                yield f"{said} has no reason above it"


def _scope(role: Declared, file: File) -> bool:
    scope = at(role.object, "scope")
    resources = {each.name for each in file.all("resource")}
    return scope is not None and {name[0] for name in names(scope)} <= resources


def queues_may_be_used(files: Files) -> Iterator[str]:
    """The app puts and takes messages on each queue that is made: the host starts no trigger of one that it cannot
    read, and says so in its log alone."""
    roles = files["modules/roles.bicep"]
    may = set()
    for role in roles.resources("Microsoft.Authorization/roleAssignments"):
        given = {used[0] for used in names(at(role.object, "properties.roleDefinitionId"))}
        if "storageQueueDataContributor" in given:
            may |= {literal(at(roles.one(used[0]).object, "name")) for used in names(at(role.object, "scope"))}
    made = files["modules/storage.bicep"].resources("Microsoft.Storage/storageAccounts/queueServices/queues")
    wanted = {str(literal(at(queue.object, "name"))) for queue in made}
    yield from (f"the app has no role on the queue {name}" for name in sorted(wanted - may))


def tagged(files: Files) -> Iterator[str]:
    """Everything that can carry tags carries those of the deployment."""
    for file in files.values():
        for resource in file.all("resource"):
            if resource.existing or at(resource.object, "location") is None:
                continue
            tags = at(resource.object, "tags")
            if "tags" not in {name[0] for name in names(tags)}:
                yield f"{file.name}: {resource.name} carries no tags"


def access_is_told_of(files: Files) -> Iterator[str]:
    """What holds data or keys tells the workspace who did what with it."""
    parts = {
        "modules/keyvault.bicep": ("vault",),
        "modules/storage.bicep": ("account", "blobs", "tables", "queues"),
    }
    for name, wanted in parts.items():
        made = files[name].resources("Microsoft.Insights/diagnosticSettings")
        scopes = {used[0] for each in made for used in names(at(each.object, "scope"))}
        yield from (f"{name}: {part} has no diagnostic settings" for part in wanted if part not in scopes)
        for each in made:
            if "workspace" not in {used[0] for used in names(at(each.object, "properties.workspaceId"))}:
                yield f"{name}: {each.name} tells nobody"


def subnet_is_guarded(files: Files) -> Iterator[str]:
    """The app's subnet has a network security group, which denies what it does not name, both ways."""
    file = files["modules/network.bicep"]
    app = re.search(r"name: 'app'.*?delegations:", file.text, re.DOTALL)
    if app is None or "networkSecurityGroup" not in app[0]:
        yield "modules/network.bicep: the subnet app has no network security group"
    for direction in ("Outbound", "Inbound"):
        rule = rf"priority: 4096\s+direction: '{direction}'\s+access: 'Deny'\s+protocol: '\*'"
        if not re.search(rule, file.text):
            yield f"modules/network.bicep: {direction} is not denied in the end"


def plan_takes_it(files: Files) -> Iterator[str]:
    """Flex Consumption refuses a site with certain properties, which the schema of all plans knows."""
    for file in files.values():
        for site in file.resources("Microsoft.Web/sites"):
            given = members(at(site.object, "properties.siteConfig") or site.object)
            yield from (f"{file.name}: {site.name} has {name}" for name in sorted(given.keys() & NOT_ON_THIS_PLAN))
    yield from (
        f"{name} cannot be a setting's name" for name in app_settings(files) if not re.fullmatch(r"[\w.]+", name)
    )


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        hardened,
        no_keys_read,
        no_secret_leaves,
        settings_without_secrets,
        required_settings,
        nothing_dangerous,
        roles_are_few,
        queues_may_be_used,
        tagged,
        plan_takes_it,
        access_is_told_of,
        subnet_is_guarded,
    )
}
