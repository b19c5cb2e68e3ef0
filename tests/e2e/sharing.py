"""Polls of the audit feed at once, of a tenant in which a test shares."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from doubles.hooks import Hook, Received, Receiver
from local.m365.activity import ActivityStandIn, FeedBehaviour
from local.m365.sharing import Action

from .api import ENDPOINTS, Api, Json, eventually
from .hosting import Host, Record
from .timers import Runs


class Polls(Runs):
    """Polls of the feed that `activity` holds, run by one host."""

    function = "poll_sharing"
    ends_with = ("sharing.polled", "sharing.poll_paused", "sharing.poll_held", "sharing.poll_superseded")

    def __init__(self, host: Host, api: Api, activity: ActivityStandIn) -> None:
        super().__init__(host, api)
        self.activity = activity

    def do(self, do: Any, item: str, **more: Any) -> None:
        """Somebody does this in the tenant."""
        self.activity.do(Action(do, item, **more))

    def polled(self) -> Record:
        """The same, of a poll that must succeed."""
        record = self.run()
        assert (record["event"], record["complete"]) == ("sharing.polled", True), record
        return record

    def after_the_pause(self) -> Record:
        """The line of the first poll that asks again after a failure: nothing announces it but the time that a poll
        names."""
        while (record := self.run())["event"] == "sharing.poll_paused":
            until = datetime.fromisoformat(record["until"])
            time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()))
        return record

    @contextmanager
    def behaving(self, **behaviour: Any) -> Iterator[FeedBehaviour]:
        """The feed answers like this meanwhile."""
        self.activity.behaviour = FeedBehaviour(**behaviour)
        try:
            yield self.activity.behaviour
        finally:
            self.activity.behaviour = FeedBehaviour()

    def warns(self, *parts: str) -> None:
        """/health warns of so many things about sharing, with these parts in their words, and the app is well."""

        def is_it(health: Json) -> bool:
            found = [each for each in health.get("warnings", []) if "sharing" in each or "audit log" in each]
            return len(found) == len(parts) and all(map(str.__contains__, found, parts))

        health = eventually(lambda: self.api.call("GET", "/health").json, is_it, within=5)
        assert health["status"] == "healthy"


def new_item(name: str = "Plan.docx") -> str:
    """The URL of a file in a site of its own."""
    return f"https://contoso.sharepoint.com/sites/quay-{secrets.token_hex(4)}/Shared Documents/{name}"


def site_of(item: str) -> str:
    return "/".join(item.split("/")[:5])


@contextmanager
def listening(api: Api, receiver: Receiver, *items: str, **more: Any) -> Iterator[tuple[Hook, Json]]:
    """A hook that hears of sharing in the sites of these items, and its endpoint."""
    hook = receiver.hook()
    endpoint = api.register(hook.url, "permission.*", sites=[site_of(item) for item in items], **more)
    try:
        yield hook, endpoint
    finally:
        api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def told(received: list[Received]) -> list[tuple[str, ...]]:
    """Type, path, kind, principal and level of what arrived in the format `point`, each key once; sorted."""
    found = {each.key: json.loads(each.body) for each in received}
    names = ("resourcePath", "permissionType", "principal", "accessLevel")
    return sorted(
        (body["type"].partition(".")[2], *(body["content"][name] for name in names)) for body in found.values()
    )
