"""A tenant in which workspaces are made, as Microsoft Graph and SharePoint answer for it. Values in, values out: who
serves it over HTTP, or simulates a week of it in a second, brings the clock.

Everything that is made is kept, so that a test can tell whether anything was made twice. Faults are looked through in
the order in which they are listed; each strikes so many times.
"""

import base64
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from local.m365.workspaces import Asked, Collection, Community, Fault, Group, Manners, Person, Told, error

PEOPLE = ("mia", "leo", "ana", "omar", "records")
_GROUP = r"/v1\.0/groups/(?P<id>[^/(]+)"


@dataclass
class Directory:
    """The tenant. `base_url` is how Graph names itself in addresses, `root` the SharePoint of the tenant."""

    now: Callable[[], datetime]
    base_url: str = "https://graph.microsoft.com"
    root: str = "https://contoso.sharepoint.com"
    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    collections: dict[str, Collection] = field(default_factory=dict)
    communities: dict[str, Community] = field(default_factory=dict)
    operations: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    manners: Manners = field(default_factory=Manners)
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.people:
            for name in PEOPLE:
                self.add_person(f"{name}@contoso.example")
            self.add_person("gus_fabrikam.example#EXT#@contoso.example", mail="gus@fabrikam.example", guest=True)

    def add_person(self, name: str, **more: Any) -> Person:
        person = Person(str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), name, **more)
        self.people[person.id] = person
        return person

    def add_group(self, name: str, alias: str) -> Group:
        """One that was there before."""
        return self._add_group(name, alias, "", [], [])

    def answer(self, asked: Asked) -> Told:
        """What Microsoft 365 answers, and does."""
        self.asked.append(asked)
        fault = self._fault(asked)
        if fault is not None and not fault.lost:
            headers = {} if fault.retry_after_seconds is None else {"Retry-After": str(fault.retry_after_seconds)}
            return error(fault.status, fault.code, fault.message, headers=headers)
        told = self._answer(asked)
        return told if fault is None else Told(0)

    def _fault(self, asked: Asked) -> Fault | None:
        for fault in self.manners.faults:
            if fault.times and fault.path in asked.path and fault.method in ("", asked.method):
                fault.times -= 1
                return fault
        return None

    def _answer(self, asked: Asked) -> Told:
        for service, method, pattern, permission, handler in ROUTES:
            match = re.fullmatch(pattern, asked.path)
            if match and (service, method) == (asked.service, asked.method):
                if permission in self.manners.refused:
                    return error(
                        403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
                    )
                found: Told = handler(
                    self, asked, **{name: unquote(value) for name, value in match.groupdict().items()}
                )
                return found
        return error(400, "BadRequest", f"Resource not found for the segment '{asked.path.rpartition('/')[2]}'.")

    # Users

    def user(self, asked: Asked, id: str) -> Told:
        wanted = id.casefold()
        for person in self.people.values():
            if wanted in (person.id, person.name.casefold()):
                return Told(200, _person(person))
        return error(404, "Request_ResourceNotFound", f"Resource '{id}' does not exist.")

    def users(self, asked: Asked) -> Told:
        mail = _filtered(asked, "mail").casefold()
        return Told(200, {"value": [_person(each) for each in self.people.values() if each.mail.casefold() == mail]})

    # Groups

    def validate(self, asked: Asked) -> Told:
        problem = self._policy_problem(asked.body)
        return Told(204) if problem is None else Told(422, {"error": problem})

    def groups_by_alias(self, asked: Asked) -> Told:
        alias = _filtered(asked, "mailNickname").casefold()
        found = [_group(each) for each in self._live() if each.alias.casefold() == alias]
        return Told(200, {"value": found})

    def group_by_name(self, asked: Asked, name: str) -> Told:
        group = next((each for each in self._live() if each.unique_name == name), None)
        return Told(200, _group(group)) if group and self._replicated(group) else _absent(name)

    def upsert_group(self, asked: Asked, name: str) -> Told:
        if asked.headers.get("Prefer") != "create-if-missing":
            return _absent(name)
        if any(each.unique_name == name for each in self._live()):
            return Told(204)
        body, binds = asked.body, {}
        for which in ("owners", "members"):
            binds[which] = [str(each).rpartition("/")[2] for each in body.get(f"{which}@odata.bind", [])]
            if f"{which}@odata.bind" in body and not binds[which]:
                return error(400, "Request_BadRequest", f"Invalid value for {which}@odata.bind: it is empty.")
            if len(set(binds[which])) != len(binds[which]):
                return error(400, "Request_BadRequest", "One or more added object references already exist.")
        if len(binds["owners"]) + len(binds["members"]) > 20:
            return error(400, "Request_BadRequest", "The number of references exceeds the limit of 20.")
        problem = self._policy_problem(body)
        if problem is not None:
            return Told(400, {"error": {**problem, "code": "Request_BadRequest"}})
        if any(each.alias.casefold() == str(body["mailNickname"]).casefold() for each in self.groups.values()):
            text = "Another object with the same value for property mailNickname already exists."
            return error(400, "Request_BadRequest", text)
        group = self._add_group(str(body["displayName"]), str(body["mailNickname"]), name, **binds)
        return Told(201, _group(group))

    def group(self, asked: Asked, id: str) -> Told:
        group = self.groups.get(id)
        if group is None or group.deleted or not self._replicated(group):
            return _absent(id)
        return Told(200, {**_group(group), "owners": [{"id": each} for each in group.owners]})

    def patch_group(self, asked: Asked, id: str) -> Told:
        added = [str(each).rpartition("/")[2] for each in asked.body.get("members@odata.bind", [])]
        return self._add_references(id, "members", added)

    def add_reference(self, asked: Asked, id: str, which: str) -> Told:
        return self._add_references(id, which, [str(asked.body["@odata.id"]).rpartition("/")[2]])

    def _add_references(self, group_id: str, which: str, users: list[str]) -> Told:
        group = self.groups.get(group_id)
        if group is None or not self._replicated(group):
            text = "Resource does not exist or one of its queried reference-property objects are not present."
            return error(404, "Request_ResourceNotFound", text)
        there: list[str] = getattr(group, which)
        if any(user in there for user in users):
            text = "One or more added object references already exist for the following modified properties."
            return error(400, "Request_BadRequest", text)
        if any(user not in self.people for user in users):
            return _absent("one of them")
        there += users
        return Told(204)

    def site_of_group(self, asked: Asked, id: str) -> Told:
        group = self.groups.get(id)
        if group is None or not self._has_site(group.created_at):
            text = "Resource provisioning is in progress. Please try again."
            return error(404, "ResourceNotFound", text, headers=self._early())
        return Told(200, {"id": f"contoso.sharepoint.com,{group.id},{group.id}", "webUrl": self._url(group.alias)})

    # Teams

    def make_team(self, asked: Asked, id: str) -> Told:
        group = self.groups.get(id)
        if group is None or not self._replicated(group):
            return error(
                404, "NotFound", "Failed to execute Templates backend request: NotFound", headers=self._early()
            )
        if group.is_team:
            return error(409, "Conflict", "The group is already provisioned as a team.")
        if not group.owners:
            return error(400, "BadRequest", "The group must have an owner.")
        if not all(self.people[owner].licensed for owner in group.owners):
            return error(403, "Forbidden", "No Teams license was found for an owner.")
        group.is_team = True
        return Told(201, self._team(group))

    def team(self, asked: Asked, id: str) -> Told:
        group = self.groups.get(id)
        return Told(200, self._team(group)) if group and group.is_team else error(404, "NotFound", "No team found.")

    def files_folder(self, asked: Asked, id: str) -> Told:
        return error(404, "NotFound", "The site is being made.")

    # Sites

    def site_root(self, asked: Asked) -> Told:
        return Told(200, {"id": "contoso.sharepoint.com,root,root", "webUrl": self.root})

    def site(self, asked: Asked, alias: str) -> Told:
        site = self.collections.get(alias.casefold())
        if site is None or not self._has_site(site.created_at):
            return error(404, "itemNotFound", "Requested site could not be found")
        shown = {"id": f"contoso.sharepoint.com,{site.id},{site.id}", "webUrl": self._url(site.alias)}
        return Told(200, {**shown, "displayName": site.title, "createdDateTime": _time(site.created_at)})

    def site_status(self, asked: Asked) -> Told:
        alias = asked.query.get("url", "").strip("'").rpartition("/")[2].casefold()
        site = self.collections.get(alias)
        if site is None:
            if any(each.alias.casefold() == alias for each in self.groups.values()):
                return Told(200, {"SiteId": "", "SiteStatus": 2, "SiteUrl": self._url(alias)})
            return Told(200, {"SiteId": "", "SiteStatus": 0, "SiteUrl": ""})
        ready = self._has_site(site.created_at)
        status = {"SiteId": site.id, "SiteStatus": 2 if ready else 1, "SiteUrl": self._url(site.alias)}
        return Told(200, status, {} if ready else self._early())

    def create_site(self, asked: Asked) -> Told:
        if "Sites.FullControl.All" in self.manners.refused:
            return Told(200, {"SiteId": "", "SiteStatus": 3, "SiteUrl": ""}, {"SPRequestGuid": "9f1c"})
        if self.manners.site_status is not None:
            return Told(200, {"SiteId": "", "SiteStatus": self.manners.site_status, "SiteUrl": ""})
        wanted = asked.body["request"]
        alias = str(wanted["Url"]).rpartition("/")[2]
        if alias.casefold() in {*self.collections, *(each.alias.casefold() for each in self.groups.values())}:
            return Told(200, {"SiteId": "", "SiteStatus": 4, "SiteUrl": ""})
        if not wanted.get("Owner"):
            return error(400, "-2147024809", "Owner is required.")
        site = Collection(str(uuid.uuid4()), str(wanted["Title"]), alias, self.now(), [str(wanted["Owner"])])
        self.collections[alias.casefold()] = site
        ready = self._has_site(site.created_at)
        return Told(200, {"SiteId": site.id, "SiteStatus": 2 if ready else 1, "SiteUrl": self._url(alias)})

    def add_to_site(self, asked: Asked, alias: str, which: str) -> Told:
        name = str(asked.body["LoginName"]).rpartition("|")[2]
        site = self.collections.get(alias.casefold())
        if site is None:
            return error(404, "-2147024894", "File not found.")
        if all(person.name.casefold() != name.casefold() for person in self.people.values()):
            return error(400, "-2146232832", f"The specified user {name} could not be found.")
        site.people.append(name)
        return Told(200, {"Title": name})

    # Communities

    def create_community(self, asked: Asked) -> Told:
        owners = [str(each).rpartition("/")[2] for each in asked.body.get("owners@odata.bind", [])]
        if not owners:
            return error(400, "BadRequest", "Owners are required with application permissions.")
        operation = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()
        community = ""
        if not self.manners.operation_fails:
            name, number = str(asked.body["displayName"]), len(self.communities) + 1
            group = self._add_group(name, f"community-{number}-{uuid.uuid4().hex[:6]}", "", owners=owners, members=[])
            community = base64.urlsafe_b64encode(json.dumps({"_type": "Group", "id": f"{number}"}).encode()).decode()
            self.communities[community] = Community(community, name, group.id, self.now())
        self.operations[operation] = (self.now(), community)
        where = f"{self.base_url}/v1.0/employeeExperience/engagementAsyncOperations('{operation}')"
        return Told(202, None, {"Operation-Location": where, **self._early()})

    def operation(self, asked: Asked, id: str) -> Told:
        begun_at, community = self.operations.get(id, (None, ""))
        if begun_at is None:
            return error(404, "NotFound", "There is no such operation.")
        if self.now() - begun_at < timedelta(seconds=self.manners.operation_after_seconds):
            return Told(200, {"id": id, "status": "running"}, self._early())
        if not community:
            return Told(200, {"id": id, "status": "failed", "statusDetail": self.manners.operation_fails})
        return Told(200, {"id": id, "status": "succeeded", "resourceId": community})

    def community(self, asked: Asked, id: str) -> Told:
        found = self.communities.get(id)
        return Told(200, _community(found)) if found else error(404, "NotFound", "There is no such community.")

    def list_communities(self, asked: Asked) -> Told:
        start, names = int(asked.query.get("$skiptoken", "0")), list(self.communities.values())
        page: dict[str, Any] = {"value": [_community(each) for each in names[start : start + 20]]}
        if start + 20 < len(names):
            path = "/v1.0/employeeExperience/communities"
            page["@odata.nextLink"] = f"{self.base_url}{path}?$skiptoken={start + 20}"
        return Told(200, page)

    # What they share

    def _add_group(self, name: str, alias: str, unique: str, owners: list[str], members: list[str]) -> Group:
        group = Group(str(uuid.uuid4()), name, alias, unique, owners, members, self.now())
        self.groups[group.id] = group
        return group

    def _live(self) -> list[Group]:
        return [group for group in self.groups.values() if not group.deleted]

    def _replicated(self, group: Group) -> bool:
        return self.now() - group.created_at >= timedelta(seconds=self.manners.replicated_after_seconds)

    def _has_site(self, since: datetime) -> bool:
        return self.now() - since >= timedelta(seconds=self.manners.site_after_seconds)

    def _early(self) -> dict[str, str]:
        wait = self.manners.wait_seconds
        return {} if wait is None else {"Retry-After": str(wait)}

    def _url(self, alias: str) -> str:
        return f"{self.root}/sites/{alias}"

    def _team(self, group: Group) -> dict[str, Any]:
        return {"id": group.id, "webUrl": f"https://teams.microsoft.com/l/team/{group.id}"}

    def _policy_problem(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        policy, name = self.manners.policy, str(body.get("displayName", ""))
        if name.startswith(policy.prefix) and name.endswith(policy.suffix):
            return None
        detail = {"target": "displayName", "code": "MissingPrefixSuffix"}
        detail |= {"suggestedPropertyValue": f"{policy.prefix}{name}{policy.suffix}"}
        text = "The property value does not meet the naming policy."
        return {"code": "Request_UnprocessableEntity", "message": text, "details": [detail]}


def _absent(name: str) -> Told:
    return error(404, "Request_ResourceNotFound", f"Resource '{name}' does not exist.")


def _filtered(asked: Asked, name: str) -> str:
    match = re.fullmatch(rf"{name} eq '(.*)'", asked.query.get("$filter", ""))
    return match[1].replace("''", "'") if match else ""


def _person(person: Person) -> dict[str, Any]:
    kind = "Guest" if person.guest else "Member"
    return {"id": person.id, "userPrincipalName": person.name, "userType": kind, "accountEnabled": person.enabled}


def _group(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "displayName": group.display_name,
        "mailNickname": group.alias,
        "mail": f"{group.alias}@contoso.example",
        "uniqueName": group.unique_name or None,
        "createdDateTime": _time(group.created_at),
    }


def _community(community: Community) -> dict[str, Any]:
    return {"id": community.id, "displayName": community.name, "groupId": community.group}


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


_OPERATION = r"/v1\.0/employeeExperience/engagementAsyncOperations\('(?P<id>[^']+)'\)"
_COMMUNITIES = r"/v1\.0/employeeExperience/communities"
ROUTES: tuple[tuple[str, str, str, str, Callable[..., Told]], ...] = (
    ("graph", "GET", r"/v1\.0/users/(?P<id>[^/]+)", "User.Read.All", Directory.user),
    ("graph", "GET", r"/v1\.0/users", "User.Read.All", Directory.users),
    ("graph", "POST", r"/v1\.0/directoryObjects/validateProperties", "Group.Read.All", Directory.validate),
    ("graph", "GET", r"/v1\.0/groups", "Group.ReadWrite.All", Directory.groups_by_alias),
    (
        "graph",
        "GET",
        r"/v1\.0/groups\(uniqueName='(?P<name>[^']+)'\)",
        "Group.ReadWrite.All",
        Directory.group_by_name,
    ),
    (
        "graph",
        "PATCH",
        r"/v1\.0/groups\(uniqueName='(?P<name>[^']+)'\)",
        "Group.ReadWrite.All",
        Directory.upsert_group,
    ),
    ("graph", "GET", _GROUP, "Group.ReadWrite.All", Directory.group),
    ("graph", "PATCH", _GROUP, "Group.ReadWrite.All", Directory.patch_group),
    ("graph", "POST", _GROUP + r"/(?P<which>owners|members)/\$ref", "Group.ReadWrite.All", Directory.add_reference),
    ("graph", "GET", _GROUP + "/sites/root", "Sites.Read.All", Directory.site_of_group),
    ("graph", "PUT", _GROUP + "/team", "Group.ReadWrite.All", Directory.make_team),
    ("graph", "GET", r"/v1\.0/teams/(?P<id>[^/]+)", "Group.ReadWrite.All", Directory.team),
    (
        "graph",
        "GET",
        r"/v1\.0/teams/(?P<id>[^/]+)/primaryChannel/filesFolder",
        "Group.ReadWrite.All",
        Directory.files_folder,
    ),
    ("graph", "GET", r"/v1\.0/sites/root", "Sites.Read.All", Directory.site_root),
    ("graph", "GET", r"/v1\.0/sites/[^/:]+:/sites/(?P<alias>[^/:]+)", "Sites.Read.All", Directory.site),
    ("graph", "POST", _COMMUNITIES, "Community.ReadWrite.All", Directory.create_community),
    ("graph", "GET", _COMMUNITIES, "Community.ReadWrite.All", Directory.list_communities),
    ("graph", "GET", _COMMUNITIES + r"/(?P<id>[^/]+)", "Community.ReadWrite.All", Directory.community),
    ("graph", "GET", _OPERATION, "Community.ReadWrite.All", Directory.operation),
    ("sharepoint", "GET", "/_api/SPSiteManager/status", "", Directory.site_status),
    ("sharepoint", "POST", "/_api/SPSiteManager/create", "", Directory.create_site),
    (
        "sharepoint",
        "POST",
        r"/sites/(?P<alias>[^/]+)/_api/web/associated(?P<which>owner|member)group/users",
        "",
        Directory.add_to_site,
    ),
)
"""Service, method, path, the permission that it takes, and what answers."""
