"""A SharePoint site without a group, by SharePoint's own site manager ("SharePoint site creation REST").

The create has no key of its own: the site's address is one. What stands at it is ours where it was free before, has our
title and is no older than our call.
"""

import enum
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from shared.m365.exchange import Answer, Exchange
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
from shared.provisioning.steps import next_look
from shared.provisioning.users import distinct_users
from shared.storage.workspaces import User, WorkspaceRequest

PERMISSION = "Sites.FullControl.All of SharePoint"
CLOCKS_DIFFER = timedelta(minutes=5)

_TEMPLATES = {"communication": "SITEPAGEPUBLISHING#0", "team": "STS#3"}
_NONE = "00000000-0000-0000-0000-000000000000"


class SiteStatus(enum.IntEnum):
    """As SharePoint counts them."""

    ABSENT = 0
    PROVISIONING = 1
    READY = 2
    FAILED = 3
    TAKEN = 4


def check(ask: Ask, row: WorkspaceRequest) -> Outcome:
    """Whether the address is free. Whoever finds a site later knows by it that it was made after this."""
    status = _look(ask, row)
    if not isinstance(status, Answer):
        return status
    return Done() if _status(status) == SiteStatus.ABSENT else Fail(_taken(ask, row))


def create(ask: Ask, row: WorkspaceRequest, resumed: bool) -> Outcome:
    """Makes the site, or finds the one that an earlier try made."""
    if resumed:
        status = _look(ask, row)
        if not isinstance(status, Answer):
            return status
        if _status(status) != SiteStatus.ABSENT:
            return _adopted(ask, row, status)
    sharepoint = ask.microsoft.sharepoint()
    if isinstance(sharepoint, Retry | Fail):
        return sharepoint
    answer = sharepoint.send("POST", "/_api/SPSiteManager/create", {"request": _request(sharepoint, row)})
    if not answer.succeeded:
        return unmet(answer, PERMISSION)
    match _status(answer):
        case SiteStatus.PROVISIONING | SiteStatus.READY:
            return _made(ask, row, answer)
        case SiteStatus.TAKEN:
            return _adopted(ask, row, answer) if resumed else Fail(_taken(ask, row))
        case SiteStatus.FAILED:  # so SharePoint refuses a caller without the permission, with status 200
            grant = f"grant the app's managed identity {PERMISSION} (docs/provisioning.md)"
            return Fail(f"SharePoint made no site and gives no reason ({told(answer)}): {grant}", refused=True)
    return Retry("SharePoint says that there is no site after making one")


def wait_until_ready(ask: Ask, row: WorkspaceRequest) -> Outcome:
    answer = _look(ask, row)
    if not isinstance(answer, Answer):
        return answer
    status = _status(answer)
    if status == SiteStatus.READY:
        return Done(
            {"url": answer.text("SiteUrl") or row.url, "microsoft_id": answer.text("SiteId") or row.microsoft_id}
        )
    if status == SiteStatus.FAILED:
        return Fail(f"SharePoint could not finish the site ({answer.request_id or 'no request id'})")
    return Wait(or_at_least(answer.retry_after, next_look(row)))


def add_people(ask: Ask, row: WorkspaceRequest) -> Outcome:
    """Adds one owner or member to the site's own groups. One that cannot be added is a warning: the site is there."""
    owners = distinct_users(row.owner_users)
    members = [user for user in distinct_users(row.member_users) if user not in owners]
    left = [*(("owner", user) for user in owners[1:]), *(("member", user) for user in members)][row.added :]
    if not left:
        return Done()
    sharepoint = ask.microsoft.sharepoint()
    if isinstance(sharepoint, Retry | Fail):
        return sharepoint
    kind, user = left[0]
    answer = sharepoint.send(
        "POST",
        f"/sites/{row.alias}/_api/web/associated{kind}group/users",
        {"LoginName": f"i:0#.f|membership|{user.name}"},
    )
    if is_passing(answer):
        return Retry(told(answer), answer.retry_after)
    changes: dict[str, Any] = {"added": row.added + 1}
    if not answer.succeeded:
        changes["warnings"] = (*row.warnings, f"{kind}s: {user.given} could not be added: {told(answer)}")
    return Done(changes, again=len(left) > 1)


def address(root: str, row: WorkspaceRequest) -> str:
    return f"{root}/sites/{row.alias}"


def _request(sharepoint: Exchange, row: WorkspaceRequest) -> dict[str, Any]:
    owner: User = row.owner_users[0]
    return {
        "Title": row.display_name,
        "Url": address(sharepoint.base_url, row),
        "Lcid": row.language,
        "ShareByEmailEnabled": False,
        "Description": row.description,
        "WebTemplate": _TEMPLATES[row.site_design],
        "SiteDesignId": _NONE,
        "Owner": owner.name,
        "SensitivityLabel": "",
        "WebTemplateExtensionId": _NONE,
    }


def _look(ask: Ask, row: WorkspaceRequest) -> Answer | Retry | Fail:
    """What SharePoint says of the address."""
    sharepoint = ask.microsoft.sharepoint()
    if isinstance(sharepoint, Retry | Fail):
        return sharepoint
    url = quote(address(sharepoint.base_url, row), safe="")
    answer = sharepoint.send("GET", f"/_api/SPSiteManager/status?url='{url}'")
    return answer if answer.succeeded else unmet(answer, PERMISSION)


def _status(answer: Answer) -> int:
    status = answer.value.get("SiteStatus")
    return status if isinstance(status, int) else SiteStatus.ABSENT


def _made(ask: Ask, row: WorkspaceRequest, answer: Answer) -> Outcome:
    root = ask.microsoft.root
    return Done(
        {
            "microsoft_id": answer.text("SiteId"),
            "url": answer.text("SiteUrl") or address(root, row),
            "made_at": ask.now,
        }
    )


def _adopted(ask: Ask, row: WorkspaceRequest, status: Answer) -> Outcome:
    """The site at the address, where it is the one that an earlier try of this request made."""
    host = urlsplit(ask.microsoft.root).hostname
    answer = ask.graph("GET", f"/sites/{host}:/sites/{row.alias}?$select=id,webUrl,displayName,createdDateTime")
    if answer.status == 404:
        return Wait(or_at_least(answer.retry_after, next_look(row)))  # SharePoint knows it before Graph does
    if not answer.succeeded:
        return unmet(answer, "Sites.Read.All")
    since = (row.intent_at or ask.now) - CLOCKS_DIFFER
    if answer.text("displayName") != row.display_name or not is_as_new(answer, since):
        return Fail(_taken(ask, row))
    site_id = status.text("SiteId") or _collection(answer.text("id"))
    if site_id is None:
        return Wait(next_look(row))
    return Done({"microsoft_id": site_id, "url": answer.text("webUrl"), "made_at": ask.now})


def _collection(site_id: str | None) -> str | None:
    """The id of a site collection within Graph's `host,collection,web`."""
    parts = (site_id or "").split(",")
    return parts[1] if len(parts) == 3 else None


def _taken(ask: Ask, row: WorkspaceRequest) -> str:
    return f"the address {address(ask.microsoft.root, row)} is taken by another site: choose another desiredUrl"
