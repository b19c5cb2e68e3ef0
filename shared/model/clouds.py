"""The Microsoft clouds: where each has its sign-in, Microsoft Graph, SharePoint, the Office 365 Management Activity
API, Power Automate and Azure Monitor. The one table of them.

Sources, all on learn.microsoft.com unless named otherwise: sign-in, "National clouds" of the Microsoft identity
platform; issuers of v1 tokens, "Access tokens in the Microsoft identity platform", and China's from the discovery
document of its sign-in; issuers of v2 tokens, the endpoint metadata in MSAL (`@azure/msal-common`,
AuthorityMetadata), which for China names another host than the older sign-in address; Microsoft Graph, "Microsoft Graph
national cloud deployments"; management, "Office 365 Management Activity API reference", and the README of
counteractive/o365beat for GCC High and DoD; SharePoint, "Office 365 URLs and IP address ranges" of each cloud; Power
Automate, "Add OAuth authentication for HTTP request triggers"; Azure Monitor, "Logs Ingestion API in Azure Monitor"
for audiences and "Azure Monitor endpoint access and firewall configuration" for hosts; DoD has those of US Government.
"""

import re
from typing import Literal, NamedTuple

CloudName = Literal["global", "gcchigh", "dod", "china"]
"""GCC is in the global cloud."""


class Cloud(NamedTuple):
    """Hosts without a scheme. `sharepoint` follows a tenant's name. `management` is empty where the API does not
    exist. The slash at the end of an audience of Power Automate is part of it."""

    login: str
    v1_issuer: str
    v2_issuer: str
    graph: str
    sharepoint: str
    management: str
    power_automate: tuple[str, ...]
    monitor: str

    @property
    def graph_url(self) -> str:
        return f"https://{self.graph}"

    @property
    def management_url(self) -> str:
        """Empty where the API does not exist."""
        return f"https://{self.management}" if self.management else ""


CLOUDS: dict[CloudName, Cloud] = {
    "global": Cloud(
        login="login.microsoftonline.com",
        v1_issuer="sts.windows.net",
        v2_issuer="login.microsoftonline.com",
        graph="graph.microsoft.com",
        sharepoint="sharepoint.com",
        management="manage.office.com",
        power_automate=("https://service.flow.microsoft.com/", "https://gov.service.flow.microsoft.us/"),
        monitor="monitor.azure.com",
    ),
    "gcchigh": Cloud(
        login="login.microsoftonline.us",
        v1_issuer="sts.windows.net",
        v2_issuer="login.microsoftonline.us",
        graph="graph.microsoft.us",
        sharepoint="sharepoint.us",
        management="manage.office365.us",
        power_automate=("https://high.service.flow.microsoft.us/",),
        monitor="monitor.azure.us",
    ),
    "dod": Cloud(
        login="login.microsoftonline.us",
        v1_issuer="sts.windows.net",
        v2_issuer="login.microsoftonline.us",
        graph="dod-graph.microsoft.us",
        sharepoint="sharepoint-mil.us",
        management="manage.protection.apps.mil",
        power_automate=("https://service.flow.appsplatform.us/",),
        monitor="monitor.azure.us",
    ),
    "china": Cloud(
        login="login.partner.microsoftonline.cn",
        v1_issuer="sts.chinacloudapi.cn",
        v2_issuer="login.partner.microsoftonline.cn",
        graph="microsoftgraph.chinacloudapi.cn",
        sharepoint="sharepoint.cn",
        management="",
        power_automate=("https://service.powerautomate.cn/",),
        monitor="monitor.azure.cn",
    ),
}

POWER_AUTOMATE = tuple(audience for cloud in CLOUDS.values() for audience in cloud.power_automate)
"""The audiences of Power Automate in all clouds."""

GCC_MANAGEMENT = "manage-gcc.office.com"
"""GCC shares everything with the global cloud but this host."""

_SHAREPOINTS = "|".join(re.escape(cloud.sharepoint) for cloud in CLOUDS.values())
_SHAREPOINT = re.compile(rf"https://[a-z0-9-]+\.({_SHAREPOINTS})")


def is_sharepoint(url: str) -> bool:
    """Whether this is the root of a tenant's SharePoint, such as https://contoso.sharepoint.com."""
    return _SHAREPOINT.fullmatch(url) is not None
