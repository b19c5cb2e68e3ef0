"""Microsoft Graph as the settings name it."""

import time
from datetime import timedelta

from shared.identity import NoToken, get_token
from shared.m365.client import Client, GraphFailed
from shared.settings import Settings


def connect(settings: Settings, limit: timedelta) -> Client:
    """A client for calls that must all be over when `limit` is. Its tokens are those of the app's managed identity, or
    for a stand-in on this machine the one in the settings."""
    base_url = settings.graph_url

    def token() -> str:
        if settings.graph_access_token:
            return settings.graph_access_token
        try:
            return get_token(settings.client_id, f"{base_url}/.default")
        except NoToken as failure:
            raise GraphFailed(
                f"the app's managed identity gives no token for Microsoft Graph ({failure}): see that the app has one, "
                "and where it is user-assigned that AZURE_CLIENT_ID names it"
            ) from None

    return Client(base_url, token, time.monotonic() + limit.total_seconds())
