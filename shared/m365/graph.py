"""Microsoft Graph and SharePoint as the settings name them."""

import time
from datetime import timedelta

from shared.identity import NoToken, get_token
from shared.m365.client import Client, GraphFailed
from shared.settings import Settings


def connect(settings: Settings, limit: timedelta) -> Client:
    """A client for calls that must all be over when `limit` is. Its tokens are those of the app's managed identity, or
    for a stand-in on this machine the one in the settings."""
    return _connect(settings, settings.graph_url, settings.graph_access_token, "Microsoft Graph", limit)


def connect_to_sharepoint(settings: Settings, base_url: str, limit: timedelta) -> Client:
    """The same for the tenant's SharePoint at `base_url`, such as https://contoso.sharepoint.com. SharePoint takes
    tokens of a managed identity, and none that were got with a client secret."""
    return _connect(settings, base_url, settings.sharepoint_access_token, "SharePoint", limit)


def _connect(settings: Settings, base_url: str, stand_ins_token: str, named: str, limit: timedelta) -> Client:
    def token() -> str:
        if stand_ins_token:
            return stand_ins_token
        try:
            return get_token(settings.client_id, f"{base_url}/.default")
        except NoToken as failure:
            raise GraphFailed(
                f"the app's managed identity gives no token for {named} ({failure}): see that the app has one, "
                "and where it is user-assigned that AZURE_CLIENT_ID names it"
            ) from None

    return Client(base_url, token, time.monotonic() + limit.total_seconds())
