"""For whom the app's managed identity may prove itself to a receiver. Pure.

Whoever gets a token of the app can act as the app, wherever that identity has rights, until the token expires. So a
token goes only to receivers of audiences that the deployment allows, and never for a service in which the app itself
has rights: its storage and vault, Azure's management and monitoring, Microsoft 365; nor for the exchange of tokens, by
which an identity becomes every application that trusts it (learn.microsoft.com, "Configure an application to trust a
managed identity").
"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from shared.model.clouds import CLOUDS, GCC_MANAGEMENT, POWER_AUTOMATE
from shared.model.endpoint import Endpoint
from shared.model.ingestion import MONITORS, is_monitor, monitor_problem
from shared.model.mailboxes import Mailboxes, is_graph, mail_problem

ALLOWED = (*POWER_AUTOMATE, "api://*")
"""The default of ALLOWED_TOKEN_AUDIENCES; a `*` at the end stands for anything."""

_SHAPE = re.compile(r"(https|api)://[A-Za-z0-9._~-][A-Za-z0-9._~:/-]{0,239}")
"""With a host: of `api:///x`, what Entra takes for the application is not known here."""


class _Service(NamedTuple):
    """How a service is named to Entra: by its application ids, and by addresses of these hosts and all below them."""

    ids: tuple[str, ...]
    hosts: tuple[str, ...]


_EXCHANGE_OF_TOKENS = "the exchange of tokens"
_OWN_RIGHTS = {
    "Microsoft Graph": _Service(
        ids=("00000003-0000-0000-c000-000000000000",),
        hosts=(*(cloud.graph for cloud in CLOUDS.values()), "ags.windows.net"),
    ),
    "Azure AD Graph": _Service(
        ids=("00000002-0000-0000-c000-000000000000",),
        hosts=("graph.windows.net", "graph.microsoftazure.us", "graph.chinacloudapi.cn"),
    ),
    "SharePoint": _Service(
        ids=("00000003-0000-0ff1-ce00-000000000000",),
        hosts=(*(cloud.sharepoint for cloud in CLOUDS.values()), "sharepoint-df.com", "onedrive.cloud.microsoft"),
    ),
    "Exchange Online": _Service(
        ids=("00000002-0000-0ff1-ce00-000000000000", "00000007-0000-0ff1-ce00-000000000000"),  # and its protection
        hosts=(
            *("outlook.com", "outlook.office.com", "outlook-sdf.office.com", "outlook-tdf.office.com"),
            *("outlook-tdf-2.office.com", "outlook.office365.com", "outlook-sdf.office365.com", "mail.office365.com"),
            *("outlook.office365.us", "outlook-dod.office365.us", "autodiscover-s.office365.us"),
            *("ps.protection.office365.us", "webmail.apps.mil", "partner.outlook.cn"),
        ),
    ),
    "Office 365 Management APIs": _Service(
        ids=("c5393580-f805-4401-95e8-94b7a6ef2fc2",),
        hosts=(*(cloud.management for cloud in CLOUDS.values() if cloud.management), GCC_MANAGEMENT),
    ),
    "Azure Resource Manager": _Service(
        ids=("797f4846-ba00-4fd7-ba43-dac1f8f63013",),
        hosts=(
            *("management.azure.com", "management.azure.net", "management.core.windows.net"),
            *("management.usgovcloudapi.net", "management.core.usgovcloudapi.net"),
            *("management.chinacloudapi.cn", "management.core.chinacloudapi.cn"),
        ),
    ),
    "Azure Storage": _Service(
        ids=("e406a681-f3d4-42a8-90b6-c2b029497af1",),
        hosts=(
            *("storage.azure.com", "storage.azure.net"),
            *("core.windows.net", "core.usgovcloudapi.net", "core.chinacloudapi.cn"),
        ),
    ),
    "Key Vault": _Service(
        ids=("cfa8b339-82a2-471a-a3c9-0fc0be7a4093",),
        hosts=("vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn"),
    ),
    "Azure Monitor": _Service(
        ids=("e933bd07-d2ee-4f1d-933c-3752b819567b",),
        hosts=tuple(cloud.monitor for cloud in CLOUDS.values()),
    ),
    _EXCHANGE_OF_TOKENS: _Service(ids=("fb60f99c-7a34-4190-8149-302f77469936",), hosts=()),
}
"""Sources, on github.com unless named otherwise: names of the service principals,
maciejporebski/azure-ad-first-party-apps-permissions; ids again, environments/published.go of manicminer/hamilton; the
exchange of tokens, "Conditional Access for Agent ID" (learn.microsoft.com); addresses of Azure AD Graph and Azure in
other clouds, azure-cli's azure/cli/core/cloud.py."""
_EXCHANGE = "azureadtokenexchange"
"""`api://AzureADTokenExchange`; each national cloud adds its name."""


class TokenRules(NamedTuple):
    """What a deployment allows: ALLOWED_TOKEN_AUDIENCES, and the mailboxes of MAIL_SENDERS."""

    audiences: Sequence[str] = ALLOWED
    mailboxes: Mailboxes = Mailboxes()


def token_problem(endpoint: Endpoint, audience: str, wire_format: str, rules: TokenRules) -> str | None:
    """Why no token is asked for with this audience, for deliveries of this wire format to the endpoint, or None."""
    if rules.mailboxes.senders and is_graph(audience):
        return mail_problem(audience, endpoint.url, wire_format, endpoint.by_admin, rules.mailboxes)
    return audience_problem(audience, rules.audiences, endpoint.url, wire_format)


def audience_problem(audience: str, allowed: Sequence[str], url: str = "", wire_format: str = "") -> str | None:
    """Why no token is asked for with this audience, for deliveries of this wire format to this URL, or None."""
    if not _SHAPE.fullmatch(audience):
        return "must be the audience alone, such as https://service.flow.microsoft.com/ or api://<application id>"
    if audience.lower().endswith("/.default"):
        return "must be the audience without /.default, which is added here"
    own = _own_service(audience)
    if own is not None and not is_monitor(audience):
        instead = f"; for Sentinel give {' or '.join(MONITORS)}" if own == "Azure Monitor" else ""
        return f"is a service in which the app has rights of its own ({own}): a receiver could use them{instead}"
    if not any(_matches(audience, pattern) for pattern in allowed):
        return "is not among ALLOWED_TOKEN_AUDIENCES, an app setting"
    return monitor_problem(audience, url, wire_format) if is_monitor(audience) else None


def scope_of(audience: str) -> str:
    """The scope to ask Entra for. Power Automate's audience ends in a slash, so that its scope has two."""
    if f"{audience}/" in POWER_AUTOMATE:
        audience += "/"
    return f"{audience}/.default"


def allowed_problem(pattern: str) -> str | None:
    """Why this cannot be in ALLOWED_TOKEN_AUDIENCES, or None."""
    if not _SHAPE.fullmatch(pattern.removesuffix("*")) and pattern != "api://*":
        return "give audiences such as https://service.flow.microsoft.com/ or api://<application id>; api://* for all"
    if pattern.endswith("*") and not pattern.startswith("api://"):
        return "only audiences that begin with api:// can be allowed by a pattern"
    own = _own_service(pattern.removesuffix("*"))
    if own is not None and not is_monitor(pattern):
        return f"{pattern} is a service in which the app has rights of its own ({own}), and never allowed"
    return None


def _matches(audience: str, pattern: str) -> bool:
    wanted, known = audience.lower(), pattern.lower()
    if known.endswith("*"):
        return wanted.startswith(known[:-1])
    return wanted.rstrip("/") == known.rstrip("/")


def _own_service(audience: str) -> str | None:
    """The name of the service with rights of the app's own that this stands for, or None."""
    lower = audience.lower()
    host = (urlsplit(lower).hostname or "").rstrip(".")
    if host.startswith(_EXCHANGE):
        return _EXCHANGE_OF_TOKENS
    for name, service in _OWN_RIGHTS.items():
        below = any(host == own or host.endswith(f".{own}") for own in service.hosts)
        if below or any(_digits(own) in _digits(lower) for own in service.ids):
            return name
    return None


def _digits(identity: str) -> str:
    """An application id in lower case without its hyphens, so that it is found without them too."""
    return identity.replace("-", "")
