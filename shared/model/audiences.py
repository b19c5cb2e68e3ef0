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
from shared.model.ingestion import is_monitor, monitor_problem
from shared.model.mailboxes import Mailboxes, is_graph, mail_problem

ALLOWED = (*POWER_AUTOMATE, "api://*")
"""The default of ALLOWED_TOKEN_AUDIENCES; a `*` at the end stands for anything."""

_SHAPE = re.compile(r"(https|api)://[A-Za-z0-9._~-][A-Za-z0-9._~:/-]{0,239}")
"""With a host: of `api:///x`, what Entra takes for the application is not known here."""
_OWN_RIGHTS = (
    *(host for cloud in CLOUDS.values() for host in (cloud.graph, cloud.management, cloud.monitor) if host),
    GCC_MANAGEMENT,
    "graph.windows.net",
    "management.azure.com",
    "management.core.windows.net",
    "management.usgovcloudapi.net",
    "management.core.usgovcloudapi.net",
    "management.chinacloudapi.cn",
    "management.core.chinacloudapi.cn",
    "storage.azure.com",
    "core.windows.net",
    "core.usgovcloudapi.net",
    "core.chinacloudapi.cn",
    "vault.azure.net",
    "vault.usgovcloudapi.net",
    "vault.azure.cn",
    "sharepoint.com",
    "sharepoint.us",
    "sharepoint-mil.us",
    "sharepoint.cn",
)
"""Hosts, with all below them."""
_OWN_RIGHTS_IDS = (
    "00000002-0000-0000-c000-000000000000",  # Azure AD Graph
    "00000003-0000-0000-c000-000000000000",  # Microsoft Graph
    "00000003-0000-0ff1-ce00-000000000000",  # SharePoint
    "797f4846-ba00-4fd7-ba43-dac1f8f63013",  # Azure Resource Manager
    "c5393580-f805-4401-95e8-94b7a6ef2fc2",  # Office 365 Management APIs
    "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",  # Key Vault
    "e406a681-f3d4-42a8-90b6-c2b029497af1",  # Azure Storage
    "fb60f99c-7a34-4190-8149-302f77469936",  # the exchange of tokens
)
"""The same services by their application ids, which Entra takes for audiences too."""
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
    if _has_own_rights(audience) and not is_monitor(audience):
        return "is a service in which the app has rights of its own: a receiver of that token could use them"
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
    if _has_own_rights(pattern.removesuffix("*")) and not is_monitor(pattern):
        return f"{pattern} is a service in which the app has rights of its own, and never allowed"
    return None


def _matches(audience: str, pattern: str) -> bool:
    wanted, known = audience.lower(), pattern.lower()
    if known.endswith("*"):
        return wanted.startswith(known[:-1])
    return wanted.rstrip("/") == known.rstrip("/")


def _has_own_rights(audience: str) -> bool:
    lower = audience.lower()
    host = (urlsplit(lower).hostname or "").rstrip(".")
    return (
        host.startswith(_EXCHANGE)
        or any(host == own or host.endswith(f".{own}") for own in _OWN_RIGHTS)
        or any(identity in lower for identity in _OWN_RIGHTS_IDS)
    )
