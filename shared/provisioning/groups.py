"""A Microsoft 365 group, by itself or under a team: checked, made once, its site waited for, its people added.

"Upsert group" of Microsoft Graph takes a name that the caller makes up, `uniqueName`: asking twice makes one group.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from shared.m365.exchange import Answer
from shared.provisioning.microsoft import Ask
from shared.provisioning.outcomes import Done, Fail, Outcome, Retry, Wait, is_passing, or_at_least, told, unmet
from shared.provisioning.steps import deadline, next_look
from shared.provisioning.users import distinct_users
from shared.storage.workspaces import User, WorkspaceRequest

CREATE_PERMISSION = "Group.ReadWrite.All"
MOST_BOUND = 20
"""Owners and members together in one request."""
_SELECT = "$select=id,displayName,mail,mailNickname,uniqueName"
_TEAM_SITE_NUDGED_AT = 3
"""The look at which a team's site is asked for through its files, which has it made."""


class People(NamedTuple):
    """Who is given to the create, and who is added afterwards."""

    owners: list[User]
    members: list[User]
    more_owners: list[User]
    more_members: list[User]

    @property
    def later(self) -> list[tuple[str, User]]:
        return [*(("owners", user) for user in self.more_owners), *(("members", user) for user in self.more_members)]


def people(row: WorkspaceRequest) -> People:
    """An owner of a group is a member, too: who is not does not see the team. A community is made with owners alone."""
    owners = distinct_users(row.owner_users)
    members = distinct_users([*row.owner_users, *row.member_users])
    if row.kind == "yammer":
        return People(owners[:MOST_BOUND], [], owners[MOST_BOUND:], members[len(owners) :])
    first = owners[: MOST_BOUND // 2]
    room = MOST_BOUND - len(first)
    return People(first, members[:room], owners[len(first) :], members[room:])


def unique_name(row: WorkspaceRequest) -> str:
    return f"th-{row.id}"


def check(ask: Ask, row: WorkspaceRequest) -> Outcome:
    """Whether the tenant's naming policy takes the names, and whether the address is free. What cannot be checked is
    left to the create, which says it too."""
    body = {"entityType": "Group", "displayName": row.display_name, "mailNickname": row.alias}
    if row.owner_users:
        body["onBehalfOfUserId"] = row.owner_users[0].id
    answer = ask.graph("POST", "/directoryObjects/validateProperties", body)
    if answer.status == 422:
        return Fail(_policy(answer))
    if is_passing(answer):
        return Retry(told(answer), answer.retry_after, did_nothing=True)
    holder = _holder_of_alias(ask, row)
    if isinstance(holder, Retry | Fail):
        return holder
    return Done() if holder is None else Fail(_taken(row))


def create(ask: Ask, row: WorkspaceRequest, resumed: bool) -> Outcome:
    """Makes the group, or finds the one that an earlier try made."""
    if resumed:
        found = _ours(ask, row)
        if not isinstance(found, Answer) or found.succeeded:
            return _made(ask, found) if isinstance(found, Answer) else found
    answer = ask.graph(
        "PATCH",
        f"/groups(uniqueName='{unique_name(row)}')",
        _body(ask, row),
        {"Prefer": "create-if-missing"},
    )
    if answer.status == 204:
        found = _ours(ask, row)
        if isinstance(found, Answer):
            return _made(ask, found) if found.succeeded else Retry(told(found), found.retry_after)
        return found
    if answer.succeeded:
        return _made(ask, answer)
    if answer.status == 400 and "mailNickname" in answer.message and not answer.details:
        holder = _holder_of_alias(ask, row)
        if isinstance(holder, Retry | Fail):
            return holder
        ours = holder is not None and holder.get("uniqueName") == unique_name(row)
        return _made(ask, Answer(200, holder or {})) if ours else Fail(f"{_taken(row)} ({told(answer)})")
    if answer.details and answer.status in (400, 422):
        return Fail(_policy(answer))
    return unmet(answer, CREATE_PERMISSION)


def wait_for_site(ask: Ask, row: WorkspaceRequest) -> Outcome:
    """The group's site is made in the background; the look itself hurries it."""
    answer = ask.graph("GET", f"/groups/{row.microsoft_id}/sites/root?$select=id,webUrl")
    url = answer.text("webUrl")
    if answer.succeeded and url:
        return Done({"url": url})
    if ask.now >= deadline(row) or answer.status in (401, 403):
        return _without_site(row, answer)
    if row.kind == "teams" and row.tries == _TEAM_SITE_NUDGED_AT:
        ask.graph("GET", f"/teams/{row.microsoft_id}/primaryChannel/filesFolder")
    if answer.status in (200, 404):
        return Wait(or_at_least(answer.retry_after, next_look(row)))
    return unmet(answer, "Sites.Read.All")


def add_people(ask: Ask, row: WorkspaceRequest) -> Outcome:
    """Adds those that did not fit the create: an owner, or up to twenty members. One that cannot be added is a
    warning: the workspace is there."""
    left = people(row).later[row.added :]
    if not left:
        return Done()
    kind = left[0][0]
    batch = [user for _, user in left[: MOST_BOUND if kind == "members" else 1]]
    answer = _add(ask, row, kind, batch)
    if is_passing(answer):
        return Retry(told(answer), answer.retry_after)
    changes: dict[str, Any] = {"added": row.added + len(batch)}
    if not answer.succeeded and not _is_there_already(answer):
        if len(batch) > 1:
            refused = _one_by_one(ask, row, batch)
            if isinstance(refused, Retry):
                return refused
        else:
            refused = [_not_added(kind, batch[0], answer)]
        changes["warnings"] = (*row.warnings, *refused)
    return Done(changes, again=len(left) > len(batch))


def _one_by_one(ask: Ask, row: WorkspaceRequest, batch: list[User]) -> list[str] | Retry:
    """A request with one member that cannot be added adds none: whom it was is found out so."""
    refused = []
    for user in batch:
        answer = _add(ask, row, "members", [user])
        if is_passing(answer):
            return Retry(told(answer), answer.retry_after)
        if not answer.succeeded and not _is_there_already(answer):
            refused.append(_not_added("members", user, answer))
    return refused


def _add(ask: Ask, row: WorkspaceRequest, kind: str, users: list[User]) -> Answer:
    group = f"/groups/{row.microsoft_id}"
    if kind == "members" and len(users) > 1:
        return ask.graph("PATCH", group, {"members@odata.bind": [_bind(ask, user) for user in users]})
    return ask.graph("POST", f"{group}/{kind}/$ref", {"@odata.id": _bind(ask, users[0])})


def _is_there_already(answer: Answer) -> bool:
    return answer.status == 400 and "already exist" in answer.message


def _not_added(kind: str, user: User, answer: Answer) -> str:
    return f"{kind}: {user.given} could not be added: {told(answer)}"


def _body(ask: Ask, row: WorkspaceRequest) -> Mapping[str, Any]:
    """An empty list of people is refused, so one that is empty is left out."""
    who = people(row)
    body: dict[str, Any] = {
        "displayName": row.display_name,
        "mailEnabled": True,
        "mailNickname": row.alias,
        "securityEnabled": False,
        "groupTypes": ["Unified"],
        "visibility": "Private" if row.is_private else "Public",
        "owners@odata.bind": [_bind(ask, user) for user in who.owners],
        "members@odata.bind": [_bind(ask, user) for user in who.members],
    }
    return body | ({"description": row.description} if row.description else {})


def _bind(ask: Ask, user: User) -> str:
    return f"{ask.microsoft.graph.base_url}/v1.0/users/{user.id}"


def _ours(ask: Ask, row: WorkspaceRequest) -> Answer | Retry | Fail:
    """The group with this request's own name: a success, or 404."""
    answer = ask.graph("GET", f"/groups(uniqueName='{unique_name(row)}')?{_SELECT}")
    return answer if answer.succeeded or answer.status == 404 else unmet(answer, CREATE_PERMISSION)


def _made(ask: Ask, answer: Answer) -> Outcome:
    group_id = answer.text("id")
    if group_id is None:
        return Retry("Microsoft Graph made a group and did not say its id")
    mail = answer.text("mail")
    return Done(
        {
            "microsoft_id": group_id,
            "made_at": ask.now,
            "given_name": answer.text("displayName"),
            "extra": {"mail": mail} if mail else {},
        }
    )


def _holder_of_alias(ask: Ask, row: WorkspaceRequest) -> Mapping[str, Any] | Retry | Fail | None:
    answer = ask.graph("GET", f"/groups?$filter=mailNickname eq '{quote(row.alias)}'&{_SELECT}")
    if not answer.succeeded:
        return unmet(answer, CREATE_PERMISSION)
    return next(iter(answer.objects()), None)


def _taken(row: WorkspaceRequest) -> str:
    return (
        f"the address {row.alias} is taken by another group: choose another desiredUrl (a deleted group keeps its "
        "address for 30 days)"
    )


def _policy(answer: Answer) -> str:
    """What the tenant's naming policy wants, as it says."""
    wants = []
    for detail in answer.details:
        around = {name: detail.get(name) for name in ("prefix", "suffix", "suggestedPropertyValue") if detail.get(name)}
        said = ", ".join(f"{name} {value}" for name, value in around.items())
        wants.append(
            f"{detail.get('target', 'the name')}: {detail.get('code', 'refused')}{f' ({said})' if said else ''}"
        )
    return f"{told(answer)}: {'; '.join(wants)}" if wants else told(answer)


def _without_site(row: WorkspaceRequest, answer: Answer) -> Outcome:
    """A team and a community have an address of their own; a group has none."""
    warning = f"the address of the site is not known: {told(answer) if answer.status >= 400 else 'it is not there yet'}"
    url = row.extra.get("teamUrl") or row.extra.get("communityUrl")
    if url is None:
        return Fail(warning)
    return Done({"url": url, "warnings": (*row.warnings, warning)})
