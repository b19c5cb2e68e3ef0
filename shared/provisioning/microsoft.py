"""Microsoft 365 as one run of a worker asks it: Graph, and where a step needs it the tenant's SharePoint."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from shared import __version__
from shared.m365 import graph
from shared.m365.exchange import Answer, Exchange, HttpExchange
from shared.model.clouds import is_sharepoint
from shared.provisioning.outcomes import Fail, Retry, unmet
from shared.settings import Settings

_USER_AGENT = f"NONISV|TenantHooks|TenantHooks/{__version__}"
"""As SharePoint wants traffic to be named, so that it is throttled last."""


@dataclass
class Microsoft:
    """`sharepoint_at` connects to the SharePoint with this root. `root` is what is known of it."""

    graph: Exchange
    sharepoint_at: Callable[[str], Exchange]
    root: str = ""
    is_stand_in: bool = False
    """Whether the Graph is: what it says of a SharePoint is made up."""
    _sharepoint: Exchange | None = field(default=None, init=False)

    def sharepoint(self) -> Exchange | Retry | Fail:
        """The tenant's SharePoint; where the settings do not name it, Graph is asked."""
        if self._sharepoint is None:
            root = self.root or self._find_root()
            if isinstance(root, Retry | Fail):
                return root
            self.root = root
            self._sharepoint = self.sharepoint_at(root)
        return self._sharepoint

    def _find_root(self) -> str | Retry | Fail:
        if self.is_stand_in:
            return Fail("the stand-in for Microsoft Graph knows no SharePoint: set SHAREPOINT_BASE_URL")
        answer = self.graph.send("GET", "/v1.0/sites/root?$select=webUrl")
        if not answer.succeeded:
            return unmet(answer, "Sites.Read.All")
        parts = urlsplit(answer.text("webUrl") or "")
        root = f"{parts.scheme}://{parts.netloc}"
        if not is_sharepoint(root):
            return Fail("the tenant's SharePoint cannot be found through Microsoft Graph: set SHAREPOINT_BASE_URL")
        return root


class Ask(NamedTuple):
    """What the action of a step works with."""

    microsoft: Microsoft
    now: datetime

    def graph(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        return self.microsoft.graph.send(method, f"/v1.0{path}", body, headers)


def connect(settings: Settings, request_id: str, limit: timedelta, closing: ExitStack) -> Microsoft:
    """For calls about one request, which must all be over when `limit` is; closed with `closing`."""
    told = {"client-request-id": request_id}
    to_graph = graph.connect(settings, limit)
    closing.callback(to_graph.close)

    def sharepoint_at(root: str) -> Exchange:
        client = graph.connect_to_sharepoint(settings, root, limit)
        closing.callback(client.close)
        return HttpExchange(client, {"odata-version": "4.0", "User-Agent": _USER_AGENT, **_PLAIN})

    root, is_stand_in = settings.sharepoint_base_url, bool(settings.graph_access_token)
    return Microsoft(HttpExchange(to_graph, told), sharepoint_at, root, is_stand_in)


_PLAIN = {"Accept": "application/json;odata.metadata=none"}
