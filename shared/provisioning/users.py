"""Owners and members: from addresses to users of the directory."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from shared.model.provisioning import USER, names_a_user
from shared.provisioning.microsoft import Ask
from shared.provisioning.outcomes import Done, Fail, Outcome, Retry, unmet
from shared.storage.workspaces import User, WorkspaceRequest

_SELECT = "$select=id,userPrincipalName,userType,accountEnabled"
_AT_ONCE = 10
"""Users found between two writes of the row."""


class UserProblem(NamedTuple):
    """Why a user cannot be what the request wants."""

    words: str


def find_users(ask: Ask, row: WorkspaceRequest) -> Outcome:
    """Finds some of the owners and members that are not known yet."""
    known = {"owners": list(row.owner_users), "members": list(row.member_users)}
    left = _AT_ONCE
    for field, given in (("owners", row.owners), ("members", row.members)):
        for address in given[len(known[field]) :]:
            if not left:
                return Done(_users(known), again=True)
            left -= 1
            found = find_user(ask, address, as_owner=field == "owners")
            if isinstance(found, UserProblem):
                return Fail(f"{field}: {address} {found.words}")
            if not isinstance(found, User):
                return found
            known[field].append(found)
    return Done(_users(known))


def find_user(ask: Ask, address: str, *, as_owner: bool) -> User | UserProblem | Retry | Fail:
    """By object id, user principal name or, since an address need not be that, by mail address."""
    if not names_a_user(address):
        return UserProblem(f"is not {USER}")
    answer = ask.graph("GET", f"/users/{quote(address, safe='@')}?{_SELECT}")
    found = [answer.value] if answer.succeeded else []
    if answer.status in (400, 404):
        escaped = quote(address.replace("'", "''"), safe="@")
        answer = ask.graph("GET", f"/users?$filter=mail eq '{escaped}'&{_SELECT}")
        found = list(answer.objects())
    if not answer.succeeded:
        return unmet(answer, "User.Read.All")
    found = [user for user in found if isinstance(user.get("id"), str)]  # what has none is no user
    if not found:
        return UserProblem("is no user of the tenant: give a user's sign-in name, mail address or object id")
    if len(found) > 1:
        return UserProblem("is the mail address of several users: give the sign-in name of one")
    user = found[0]
    if as_owner and str(user.get("userType")).lower() == "guest":
        return UserProblem("is a guest, who cannot be an owner: name a member of the organisation")
    if as_owner and user.get("accountEnabled") is False:
        return UserProblem("is blocked from signing in, so would own nothing: name somebody else")
    return User(id=user["id"], name=str(user.get("userPrincipalName") or address), given=address)


def distinct_users(users: Sequence[User]) -> list[User]:
    """Each person once: two addresses may be of one, and a request that names one twice is refused."""
    found: dict[str, User] = {}
    for user in users:
        found.setdefault(user.id, user)
    return list(found.values())


def _users(known: dict[str, list[User]]) -> dict[str, tuple[User, ...]]:
    return {"owner_users": tuple(known["owners"]), "member_users": tuple(known["members"])}
