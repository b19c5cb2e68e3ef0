"""A team on a group that is there: "Create team from group" of Microsoft Graph, which can be asked again."""

from datetime import timedelta

from shared.provisioning.microsoft import Ask
from shared.provisioning.outcomes import Done, Fail, Outcome, Retry, Wait, is_passing, told, unmet
from shared.storage.workspaces import WorkspaceRequest

_TEAM_SETTINGS = {"memberSettings": {"allowCreateUpdateChannels": True}}
_QUICK_TRIES, _QUICK = 3, timedelta(seconds=10)
_REPLICATED = timedelta(minutes=15)
"""A group made less than this ago may not be known to Teams yet: Microsoft asks for three tries 10 s apart, then for
one when it is over."""


def make_team(ask: Ask, row: WorkspaceRequest, resumed: bool) -> Outcome:
    """Puts a team on the request's group. 409 says that there is one, and so may a look after an error."""
    if resumed:
        found = _find(ask, row)
        if found is not None:
            return found
    answer = ask.graph("PUT", f"/groups/{row.microsoft_id}/team", _TEAM_SETTINGS)
    if answer.succeeded:
        return _made(row, answer.text("webUrl"))
    if answer.status == 409:
        return _find(ask, row) or _made(row, None)
    if answer.status == 404:
        return Wait(_QUICK if row.tries < _QUICK_TRIES else max(_until_replicated(ask, row), timedelta(minutes=1)))
    if is_passing(answer):
        return Retry(told(answer), answer.retry_after, answer.unsent or answer.status == 429)
    failure = unmet(answer, "Group.ReadWrite.All", "give every owner a licence for Microsoft Teams")
    if isinstance(failure, Fail) and answer.status == 400:
        return Fail(f"{failure.error}: a team needs an owner with a licence for Microsoft Teams")
    return failure


def _find(ask: Ask, row: WorkspaceRequest) -> Outcome | None:
    """The team that an earlier try made; None where there is none."""
    answer = ask.graph("GET", f"/teams/{row.microsoft_id}?$select=id,webUrl")
    if answer.succeeded:
        return _made(row, answer.text("webUrl"))
    return Retry(told(answer), answer.retry_after) if is_passing(answer) else None


def _made(row: WorkspaceRequest, url: str | None) -> Done:
    return Done({"extra": {**row.extra, "teamUrl": url}} if url else {})


def _until_replicated(ask: Ask, row: WorkspaceRequest) -> timedelta:
    return (row.made_at or ask.now) + _REPLICATED - ask.now
