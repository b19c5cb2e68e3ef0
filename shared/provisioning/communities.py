"""A Viva Engage community, by Microsoft Graph. The create has no key and its operation is told once: where that answer
is lost, the community is looked for by its name, and made once more where it does not turn up.
"""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from shared.provisioning.groups import people
from shared.provisioning.microsoft import Ask
from shared.provisioning.outcomes import (
    Done,
    Fail,
    Outcome,
    Retry,
    Wait,
    is_as_new,
    is_passing,
    or_at_least,
    told,
    unmet,
)
from shared.provisioning.sites import CLOCKS_DIFFER
from shared.storage.workspaces import WorkspaceRequest

PERMISSION = "Community.ReadWrite.All"
_POLL = timedelta(seconds=30)
"""Microsoft asks not to look more often."""
_SECOND_LOOK = timedelta(minutes=10)
_MOST_LOST = 1
"""Creates whose answer was lost, and of which nothing was found; after one more it is a matter for people."""
_MOST_PAGES = 200


def check(ask: Ask, row: WorkspaceRequest) -> Outcome:
    """Names of communities need not be distinct, so there is nothing to check."""
    return Done()


def create(ask: Ask, row: WorkspaceRequest, resumed: bool) -> Outcome:
    """Asks for the community, or finds the one that an earlier try asked for."""
    if resumed:
        return _look_for(ask, row)
    body: dict[str, Any] = {
        "displayName": row.display_name,
        "description": row.description,
        "privacy": "private" if row.is_private else "public",
        "owners@odata.bind": [f"{ask.microsoft.graph.base_url}/v1.0/users/{user.id}" for user in people(row).owners],
    }
    answer = ask.graph("POST", "/employeeExperience/communities", body)
    if answer.status == 202 and answer.operation_url:
        return Done({"operation_url": answer.operation_url})
    return unmet(answer, PERMISSION) if not answer.succeeded else Retry("Graph did not say where to look")


def follow_operation(ask: Ask, row: WorkspaceRequest) -> Outcome:
    """Until Microsoft 365 has made the community, and says which group is behind it."""
    if row.community_id is None:
        answer = ask.microsoft.graph.send("GET", row.operation_url or "")
        if not answer.succeeded:
            return Wait(_POLL) if answer.status == 404 else unmet(answer, PERMISSION)
        status, community = answer.text("status"), answer.text("resourceId")
        if status in ("failed", "skipped"):
            reason = answer.text("statusDetail") or f"the operation {status}"
            return Fail(f"Microsoft 365 could not make the community: {reason}")
        if status != "succeeded" or community is None:
            return Wait(or_at_least(answer.retry_after, _POLL))
        return Done({"community_id": community}, again=True)
    return _with_group(ask, row.community_id)


def _look_for(ask: Ask, row: WorkspaceRequest) -> Outcome:
    """What an earlier try may have made. Where two looks, ten minutes apart, do not find it, it is made once more."""
    found = _namesakes(ask, row)
    if isinstance(found, Retry | Fail):
        return found
    if len(found) > 1:
        return Fail(f"several communities named {row.display_name} were made at this time: {_BY_HAND}")
    if found:
        return Done({"community_id": found[0]})
    if row.looked_at is None:
        return Wait(_SECOND_LOOK, {"looked_at": ask.now})
    if row.creates >= _MOST_LOST:
        return Fail(f"Microsoft 365 never said what became of the community {row.display_name}: {_BY_HAND}")
    return Wait(timedelta(), {"looked_at": None, "intent_at": None, "creates": row.creates + 1})


def _namesakes(ask: Ask, row: WorkspaceRequest) -> list[str] | Retry | Fail:
    """The ids of the communities of this name, made since the request meant to make one, that its owner owns."""
    found: list[str] = []
    where: str | None = "/v1.0/employeeExperience/communities?$select=id,displayName,groupId"
    for _ in range(_MOST_PAGES):
        answer = ask.microsoft.graph.send("GET", where or "")
        if not answer.succeeded:
            return unmet(answer, PERMISSION)
        for community in answer.objects():
            if community.get("displayName") != row.display_name or not community.get("groupId"):
                continue
            ours = _is_ours(ask, row, str(community["groupId"]))
            if isinstance(ours, Retry | Fail):
                return ours
            if ours:
                found.append(str(community.get("id")))
        where = answer.text("@odata.nextLink")
        if where is None:
            return found
    return Fail(f"the tenant has too many communities to find {row.display_name} among them: {_BY_HAND}")


def _is_ours(ask: Ask, row: WorkspaceRequest, group_id: str) -> bool | Retry | Fail:
    """Whether a group is as old and owned as this request's would be."""
    answer = ask.graph("GET", f"/groups/{quote(group_id)}?$select=id,createdDateTime&$expand=owners($select=id)")
    if answer.status == 404:
        return False
    if not answer.succeeded:
        return unmet(answer, "Group.ReadWrite.All")
    owners = answer.value.get("owners")
    ids = {each.get("id") for each in owners if isinstance(each, dict)} if isinstance(owners, list) else set()
    since = (row.intent_at or ask.now) - CLOCKS_DIFFER
    return is_as_new(answer, since) and row.owner_users[0].id in ids


def _with_group(ask: Ask, community_id: str) -> Outcome:
    """An operation has succeeded without a group before, so it is looked at."""
    answer = ask.graph("GET", f"/employeeExperience/communities/{quote(community_id)}")
    group_id = answer.text("groupId")
    if answer.succeeded and group_id:
        address = f"https://engage.cloud.microsoft/main/groups/{quote(community_id)}"
        return Done(
            {
                "microsoft_id": group_id,
                "made_at": ask.now,
                "given_name": answer.text("displayName"),
                "extra": {"communityId": community_id, "communityUrl": address},
            }
        )
    if answer.succeeded or answer.status == 404:
        return Wait(or_at_least(answer.retry_after, _POLL))
    if is_passing(answer):
        return Retry(told(answer), answer.retry_after)
    return unmet(answer, PERMISSION)


_BY_HAND = "look in Viva Engage by hand before you ask again"
