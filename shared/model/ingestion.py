"""Where Azure Monitor takes rows of logs, and with whose tokens (learn.microsoft.com, "Logs Ingestion API in Azure
Monitor"). Pure.

The app's identity writes its telemetry to Azure Monitor, so that a token for it is one of the app's own. It is sent to
hosts below `ingest.monitor.azure.…` alone, which are Microsoft's whoever chose the URL, and with rows that the wire
format `sentinel` made of events: with bodies of a template, an endpoint's owner could write what never happened.
"""

import re
from urllib.parse import parse_qs, urlsplit

from shared.model.clouds import CLOUDS

FORMAT = "sentinel"
"""The wire format that writes rows of events."""

MONITORS = tuple(dict.fromkeys(f"https://{cloud.monitor}" for cloud in CLOUDS.values()))
"""The audiences of Azure Monitor in all clouds."""

_PATH = re.compile(r"/dataCollectionRules/dcr-[0-9a-f]{32}/streams/Custom-[A-Za-z0-9_-]{1,100}")
_SHAPE = (
    "https://<name>.<region>.ingest.monitor.azure.com/dataCollectionRules/dcr-<32 digits>/streams/Custom-<name>"
    "?api-version=2023-01-01"
)


def is_monitor(audience: str) -> bool:
    """Whether this is the audience of Azure Monitor in some cloud, as Microsoft writes it; a slash may follow."""
    return audience.removesuffix("/") in MONITORS


def monitor_of(url: str) -> str | None:
    """The audience for a URL on a host of the Logs Ingestion API; None for every other URL."""
    parts = urlsplit(url)
    if parts.scheme != "https" or "@" in parts.netloc or parts.port not in (None, 443):
        return None
    host = parts.hostname or ""
    return next((each for each in MONITORS if host.endswith(f".ingest.{each.removeprefix('https://')}")), None)


def url_problem(url: str) -> str | None:
    """Why rows cannot be POSTed to this URL, or None."""
    parts = urlsplit(url)
    if monitor_of(url) and _PATH.fullmatch(parts.path) and parse_qs(parts.query).get("api-version"):
        return None
    return f"is no URL of the Logs Ingestion API, which look like {_SHAPE}"


def monitor_problem(audience: str, url: str, wire_format: str) -> str | None:
    """Why a token for Azure Monitor does not go with deliveries of this wire format to this URL, or None."""
    if wire_format != FORMAT:
        return (
            f"goes with the wire format {FORMAT} alone, since the app writes its own telemetry there: choose that "
            "format, or take the authentication off"
        )
    wanted = monitor_of(url)
    if wanted is None:
        return (
            "goes to the Logs Ingestion API alone, since the app writes its own telemetry there: the URL must look "
            f"like {_SHAPE}"
        )
    if audience.removesuffix("/") != wanted:
        return f"is of another cloud than the URL, which takes tokens for {wanted}: give that one"
    return None
