"""Storage scans: sites whose usage a test changes, and scans run at once."""

import itertools
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from doubles.hooks import Hook, Received, Receiver
from local.m365.control import Behaviour
from local.m365.graph import GraphStandIn
from local.m365.tenant import Site

from .api import ENDPOINTS, Api, Json, eventually
from .hosting import Host, Record
from .timers import Runs

QUOTA = 1_000_000
EXCEEDED, RECOVERED = "storage.threshold_exceeded", "storage.threshold_recovered"


class Scans(Runs):
    """Scans of the tenant that `graph` tells of, run by one host."""

    function = "scan_storage"
    ends_with = ("storage.scanned", "storage.scan_failed", "storage.names_concealed")

    def __init__(self, host: Host, api: Api, graph: GraphStandIn) -> None:
        super().__init__(host, api)
        self.graph = graph

    def use(self, url: str, percent: float | None, **more: Any) -> None:
        """From now on the report says this of the site; None leaves the field empty."""
        used = None if percent is None else round(QUOTA * percent / 100)
        self.graph.tenant.put(Site(url, used, quota_bytes=QUOTA, **more))

    def scanned(self) -> Record:
        """The same, of a scan that must succeed."""
        record = self.run()
        assert record["event"] == "storage.scanned", record
        return record

    @contextmanager
    def behaving(self, **behaviour: Any) -> Iterator[Behaviour]:
        """Graph answers like this meanwhile."""
        self.graph.behaviour = Behaviour(**behaviour)
        try:
            yield self.graph.behaviour
        finally:
            self.graph.behaviour = Behaviour()

    def warns(self, *parts: str) -> None:
        """/health warns of so many things, with these parts in their words, and the app is well all the same.

        A scan notes how it went after it has told the log."""

        def is_it(health: Json) -> bool:
            warnings = health.get("warnings", [])
            return len(warnings) == len(parts) and all(map(str.__contains__, warnings, parts))

        health = eventually(lambda: self.api.call("GET", "/health").json, is_it, within=10)  # an answer is kept for 2 s
        assert health["status"] == "healthy", "events go on: it is no reason to take the app away"


def new_site(name: str = "site") -> str:
    return f"https://contoso.sharepoint.com/sites/{name}-{secrets.token_hex(4)}"


@contextmanager
def listening(api: Api, receiver: Receiver, *sites: str, **more: Any) -> Iterator[tuple[Hook, Json]]:
    """A hook that hears of storage events about these sites (of all, where none is given), and its endpoint."""
    hook = receiver.hook()
    filters = {"sites": list(sites)} if sites else {}
    endpoint = api.register(hook.url, "storage.*", **filters, **more)
    try:
        yield hook, endpoint
    finally:
        api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def told(received: list[Received]) -> list[tuple[str, str, float]]:
    """Type, site and threshold of what arrived in the format `point`, each idempotency key once."""
    found = {each.key: json.loads(each.body) for each in received}
    return [(body["type"], body["content"]["siteUrl"], body["content"]["threshold"]) for body in found.values()]


def keys_by_site(received: list[Received]) -> dict[str, set[str]]:
    """The idempotency keys under which each site was told of."""
    found = sorted((json.loads(each.body)["content"]["siteUrl"], each.key) for each in received)
    return {site: {key for _, key in group} for site, group in itertools.groupby(found, lambda each: each[0])}
