"""What Microsoft 365 is documented, or was seen, to answer, and what becomes of a request then."""

from datetime import timedelta
from typing import Any

import pytest

from doubles.simulated_workspaces import Cloud, lucky
from local.m365.workspaces import Fault, Manners, Policy
from shared.model.provisioning import Kind
from shared.provisioning import worker
from shared.storage.workspaces import WorkspaceRequest

TRANSIENT_TEXTS = (
    "Failed to execute Templates backend request CreateTeamFromGroupWithTemplateRequest. InternalServerError",
    "Failed to execute backend request.",
    "Failed to execute MsGraph backend request GetGroupMembersS2SRequest.",
)


def make(kind: Kind, manners: Manners | None = None, **more: Any) -> tuple[Cloud, WorkspaceRequest]:
    """One request, to its end."""
    cloud = lucky()
    cloud.directory.manners = manners or Manners()
    request = cloud.ask_for(kind, "Quay", **more)
    cloud.run()
    return cloud, cloud.row_of(request)


def completed(kind: Kind, *faults: Fault, **manners: Any) -> tuple[Cloud, WorkspaceRequest]:
    cloud, row = make(kind, Manners(faults=list(faults), **manners))
    assert row.status == "completed", row.error
    return cloud, row


def failed(kind: Kind, *faults: Fault, **manners: Any) -> str:
    _, row = make(kind, Manners(faults=list(faults), **manners))
    assert row.status == "failed"
    assert row.error
    assert "null" not in row.error
    return row.error


def took(row: WorkspaceRequest) -> timedelta:
    return row.updated_at - row.accepted_at


# Groups


def test_a_group_that_is_not_known_everywhere_yet_is_waited_for() -> None:
    _, row = completed("groups", replicated_after_seconds=45, site_after_seconds=90)
    assert timedelta(seconds=90) <= took(row) < timedelta(minutes=8)


def test_a_lost_answer_to_the_create_finds_the_group() -> None:
    cloud, row = completed("groups", Fault("uniqueName", "PATCH", lost=True))
    assert [*cloud.directory.groups] == [row.microsoft_id]
    creates = [each for each in cloud.directory.asked if each.method == "PATCH"]
    assert len(creates) == 1


def test_a_lost_answer_before_the_group_is_known_everywhere_repeats_the_upsert() -> None:
    cloud, row = completed("groups", Fault("uniqueName", "PATCH", lost=True), replicated_after_seconds=30)
    assert [*cloud.directory.groups] == [row.microsoft_id]


def test_a_nickname_that_is_taken_is_told_before_anything_is_made() -> None:
    cloud = lucky()
    first, second = (cloud.ask_for("groups", "Quay", f"key-{number}") for number in (1, 2))
    cloud.run()
    ends = sorted((cloud.row_of(each).status, cloud.row_of(each).error or "") for each in (first, second))
    assert [status for status, _ in ends] == ["completed", "failed"]
    assert "choose another desiredUrl" in ends[1][1]
    assert len(cloud.directory.groups) == 1


def test_a_nickname_that_is_taken_between_check_and_create_is_told() -> None:
    message = "Another object with the same value for property mailNickname already exists."
    fault = Fault("uniqueName", "PATCH", status=400, code="Request_BadRequest", message=message)
    assert "the address quay is taken by another group" in failed("groups", fault)


def test_the_naming_policy_says_what_it_wants() -> None:
    error = failed("groups", policy=Policy(prefix="GRP ", suffix=" DE"))
    assert "displayName: MissingPrefixSuffix (suggestedPropertyValue GRP Quay DE)" in error


def test_a_check_that_cannot_be_made_is_left_to_the_create() -> None:
    completed("groups", Fault("validateProperties", status=403, code="Authorization_RequestDenied"))


def test_more_people_than_a_create_takes_are_added_afterwards() -> None:
    cloud = lucky()
    names = [f"person{number}@contoso.example" for number in range(64)]
    for name in names:
        cloud.directory.add_person(name)
    request = cloud.ask_for("teams", "Quay", owners=tuple(names[:12]), members=(*names[5:], names[0].upper()))
    cloud.run()
    row = cloud.row_of(request)
    assert (row.status, row.warnings) == ("completed", ())
    group = cloud.directory.groups[row.microsoft_id or ""]
    assert len(group.owners) == len(set(group.owners)) == 12
    assert len(group.members) == len(set(group.members)) == 64


def test_a_member_that_cannot_be_added_is_a_warning_beside_completed() -> None:
    cloud = lucky()
    for number in range(40):
        cloud.directory.add_person(f"person{number}@contoso.example")
    members = tuple(f"person{number}@contoso.example" for number in range(40))
    request = cloud.ask_for("groups", "Quay", members=members)
    gone = next(each for each in cloud.directory.people.values() if each.name == "person30@contoso.example")
    del cloud.directory.people[gone.id]
    cloud.run()
    row = cloud.row_of(request)
    assert row.status == "completed"
    [warning] = row.warnings
    assert warning.startswith("members: person30@contoso.example could not be added: Request_ResourceNotFound")
    assert len(cloud.directory.groups[row.microsoft_id or ""].members) == 40
    contents = dict(cloud.published())
    assert contents["ProvisioningCompleted"]["warnings"] == [warning]


def test_a_site_that_does_not_come_in_a_day_fails_a_group_and_names_it() -> None:
    cloud, row = make("groups", Manners(site_after_seconds=90_000))
    assert row.status == "failed"
    assert f"group {row.microsoft_id} was made and stays" in (row.error or "")
    assert timedelta(hours=24) <= took(row) < timedelta(hours=25)
    assert dict(cloud.published())["ProvisioningFailed"]["microsoftId"] == row.microsoft_id


# Teams


def test_a_site_that_does_not_come_in_a_day_leaves_a_team_with_its_own_address() -> None:
    _, row = completed("teams", site_after_seconds=90_000)
    assert (row.url or "").startswith("https://teams.microsoft.com/")
    assert row.warnings


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_team_that_was_made_by_a_call_that_failed_is_found(status: int) -> None:
    cloud, _ = completed("teams", Fault("/team", "PUT", lost=True), Fault("/team", "PUT", status=status))
    assert sum(each.method == "PUT" for each in cloud.directory.asked) == 1


def test_409_says_that_there_is_a_team() -> None:
    completed("teams", Fault("/team", "PUT", status=409, code="Conflict", message="A text that changes"))


@pytest.mark.parametrize("text", TRANSIENT_TEXTS)
def test_troubles_of_teams_own_back_end_are_tried_again(text: str) -> None:
    completed("teams", Fault("/team", "PUT", times=3, status=400, code="BadRequest", message=text))


def test_a_group_that_teams_does_not_know_for_a_quarter_of_an_hour_is_waited_for() -> None:
    _, row = completed("teams", Fault("/team", "PUT", times=4, status=404, code="NotFound", message="No group found"))
    assert timedelta(minutes=15) <= took(row) < timedelta(minutes=20)


def test_an_owner_without_a_licence_fails_and_the_group_is_named() -> None:
    cloud = lucky()
    next(iter(cloud.directory.people.values())).licensed = False
    row = cloud.row_of(cloud.ask_for("teams", "Quay"))
    cloud.run()
    row = cloud.row_of(row)
    assert row.status == "failed"
    assert "licence for Microsoft Teams" in (row.error or "")
    assert f"group {row.microsoft_id} was made and stays" in (row.error or "")


def test_retry_after_is_obeyed() -> None:
    _, row = completed("teams", Fault("/team", "PUT", status=429, code="TooManyRequests", retry_after_seconds=77))
    assert timedelta(seconds=77) <= took(row) < timedelta(seconds=90)


# Sites


def test_a_site_takes_its_time() -> None:
    _, row = completed("sites", site_after_seconds=200)
    assert timedelta(seconds=200) <= took(row) < timedelta(minutes=8)


def test_a_lost_answer_to_the_create_finds_the_site() -> None:
    cloud, row = completed("sites", Fault("create", "POST", lost=True), site_after_seconds=60)
    assert [each.id for each in cloud.directory.collections.values()] == [row.microsoft_id]


def test_another_site_at_the_address_is_not_taken_for_ours() -> None:
    cloud = lucky()
    cloud.ask_for("sites", "Quay", "key-1")
    cloud.run()
    cloud.now += timedelta(days=1)
    request = cloud.ask_for("sites", "Quay", "key-2")
    cloud.run()
    row = cloud.row_of(request)
    assert row.status == "failed"
    assert "the address https://contoso.sharepoint.com/sites/Quay" in (row.error or "").replace("/quay", "/Quay")
    assert "was made" not in (row.error or "")


def test_a_permission_that_sharepoint_lacks_comes_with_status_200() -> None:
    error = failed("sites", refused=frozenset({"Sites.FullControl.All"}))
    assert "grant the app's managed identity Sites.FullControl.All of SharePoint" in error
    assert "9f1c" in error


@pytest.mark.parametrize(("status", "said"), [(3, "grant"), (4, "is taken by another site")])
def test_what_sharepoint_counts_is_told_in_words(status: int, said: str) -> None:
    assert said in failed("sites", site_status=status)


# Communities


def test_an_operation_is_followed_and_not_more_often_than_microsoft_asks() -> None:
    cloud, row = completed("yammer", operation_after_seconds=100)
    looks = sum("Async" in each.path for each in cloud.directory.asked)
    assert looks == 5
    assert row.community_id


def test_a_lost_operation_is_found_by_name_time_and_owner() -> None:
    cloud, row = completed("yammer", Fault("communities", "POST", lost=True))
    assert [each.group for each in cloud.directory.communities.values()] == [row.microsoft_id]


def test_an_older_community_of_the_same_name_is_not_taken_for_ours() -> None:
    cloud = lucky()
    cloud.ask_for("yammer", "Quay", "key-1")
    cloud.run()
    cloud.now += timedelta(days=1)
    cloud.directory.manners.faults.append(Fault("communities", "POST", lost=True))
    request = cloud.ask_for("yammer", "Quay", "key-2")
    cloud.run()
    assert len(cloud.directory.communities) == 2
    assert cloud.row_of(request).microsoft_id == [each.group for each in cloud.directory.communities.values()][1]


def test_a_create_that_is_lost_without_a_trace_is_sent_once_more_and_no_third_time() -> None:
    error = failed("yammer", Fault("communities", "POST", times=99, status=503))
    assert "by hand" in error
    cloud, row = make("yammer", Manners(faults=[Fault("communities", "POST", status=503)]))
    assert row.status == "completed"
    assert len(cloud.directory.communities) == 1
    assert took(row) >= timedelta(minutes=10)


def test_an_operation_that_fails_says_why() -> None:
    assert "could not make the community: The network is not in native mode" in failed(
        "yammer", operation_fails="The network is not in native mode"
    )


def test_a_request_that_waited_for_an_hour_has_its_time_from_when_it_was_asked_for() -> None:
    """The queue was paused. The community was asked for, and the request given up at the first look."""
    cloud = lucky()
    cloud.directory.manners = Manners(operation_after_seconds=100)
    request = cloud.ask_for("yammer", "Quay")
    cloud.now += timedelta(minutes=70)
    cloud.run()
    assert cloud.row_of(request).status == "completed", cloud.row_of(request).error


# All


def test_a_defect_ends_in_an_event_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("id")

    monkeypatch.setitem(worker._CREATES, "groups", broken)
    cloud, row = make("groups")
    assert row.status == "failed"
    assert "a defect of this app (KeyError)" in (row.error or "")
    assert sorted(name for name, _ in cloud.published()) == ["ProvisioningFailed", "ProvisioningStarted"]


@pytest.mark.parametrize(
    ("kind", "permission"),
    [("groups", "Group.ReadWrite.All"), ("yammer", "Community.ReadWrite.All"), ("groups", "Sites.Read.All")],
)
def test_a_missing_permission_is_named_and_told_by_the_state_that_health_shows(kind: Kind, permission: str) -> None:
    cloud, row = make(kind, Manners(refused=frozenset({permission})))
    assert row.status == "failed"
    if permission != "Sites.Read.All":
        assert f"grant the app's managed identity the application permission {permission}" in (row.error or "")
        assert cloud.stored().state().is_refused
        cloud.directory.manners = Manners()
        cloud.ask_for(kind, "Quay", "key-2")
        cloud.run()
        assert not cloud.stored().state().is_refused


@pytest.mark.parametrize("kind", ["teams", "groups", "sites", "yammer"])
def test_a_service_that_is_down_for_an_hour_fails_and_nothing_is_made(kind: Kind) -> None:
    cloud, row = make(kind, Manners(faults=[Fault("", times=10**6, status=503)]))
    assert row.status == "failed"
    assert "given up after 1." in (row.error or "")
    made = cloud.directory
    assert [*made.groups, *made.collections, *made.communities] == []
    names = [name for name, _ in cloud.published()]
    assert sorted(names) == ["ProvisioningFailed", "ProvisioningStarted"]
