"""What is checked before a request is accepted, in words that say what to change; and what a repeated call does."""

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from doubles.simulated_workspaces import OWNER, Cloud, lucky
from local.m365.workspaces import Fault
from shared.model.provisioning import Template
from shared.provisioning.acceptance import (
    LOOK_UPS,
    LOOKED_UP_AT_ONCE,
    Accepted,
    Caller,
    KeyTaken,
    Unacceptable,
    Wanted,
    accept,
)
from shared.storage.workspaces import PROVISIONING

MIA = "mia@contoso.example"


@pytest.fixture
def cloud() -> Cloud:
    return lucky()


def ask(cloud: Cloud, key: str | None = None, caller: str = OWNER, **more: Any) -> Accepted | KeyTaken | Unacceptable:
    given: dict[str, Any] = {"kind": "teams", "template_id": "teams", "display_name": "Quay", "owners": (MIA,), **more}
    found: list[Any] = []
    cloud._alone(lambda: found.append(accept(cloud.app(), Wanted(**given), Caller(caller, key), cloud.microsoft())))
    outcome: Accepted | KeyTaken | Unacceptable = found[0]
    return outcome


def errors(cloud: Cloud, **more: Any) -> list[str]:
    outcome = ask(cloud, **more)
    assert isinstance(outcome, Unacceptable)
    assert not cloud.queue, "what is not accepted is not driven"
    return outcome.errors


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"template_id": "gone"}, "templateId: there is no template gone (GET /v1.0/provision/templates lists them)"),
        ({"template_id": "sites"}, "templateId: the template sites is for a SharePoint site: send the request to"),
        ({"template_id": "manual"}, "templateId: the template manual wants an approval"),
        ({"owners": ()}, "owners: name at least one"),
        ({"desired_url": "a b"}, "desiredUrl: must be the last part of an address alone"),
        ({"display_name": "q" * 257}, "displayName: has 257 characters; a team takes 256"),
        ({"owners": ("nobody@contoso.example",)}, "owners[0]: nobody@contoso.example is no user of the tenant"),
        ({"owners": (MIA, "gus@fabrikam.example")}, "owners[1]: gus@fabrikam.example is a guest"),
        (
            {"members": ("leo@contoso.example", "nobody@contoso.example")},
            "members[1]: nobody@contoso.example is no user of the tenant",
        ),
    ],
)
def test_what_is_wrong_says_what_to_change(cloud: Cloud, wanted: dict[str, Any], said: str) -> None:
    cloud.stored().write_template(Template(id="manual", kind="teams", name="M", approval="manual"))
    [error] = errors(cloud, **wanted)
    assert error.startswith(said)


def test_an_owner_who_is_blocked_is_refused_and_a_member_is_not(cloud: Cloud) -> None:
    cloud.directory.add_person("off@contoso.example", enabled=False)
    [error] = errors(cloud, owners=("off@contoso.example",))
    assert "is blocked from signing in" in error
    assert isinstance(ask(cloud, members=("off@contoso.example",)), Accepted)


def test_all_users_that_are_wrong_are_told_together(cloud: Cloud) -> None:
    assert len(errors(cloud, owners=("a@contoso.example", "b@contoso.example"), members=("c@contoso.example",))) == 3


def test_an_address_that_several_have_is_not_guessed_between(cloud: Cloud) -> None:
    for name in ("one", "two"):
        cloud.directory.add_person(f"{name}@contoso.example", mail="info@contoso.example")
    [error] = errors(cloud, owners=("info@contoso.example",))
    assert "is the mail address of several users" in error


@pytest.mark.parametrize(
    "given", ["MIA@contoso.example", "gus@fabrikam.example", "gus_fabrikam.example#EXT#@contoso.example"]
)
def test_users_are_found_by_name_mail_and_whatever_signs_are_in_them(cloud: Cloud, given: str) -> None:
    accepted = ask(cloud, members=(given,))
    assert isinstance(accepted, Accepted)
    assert [user.given for user in accepted.row.member_users] == [given]


def test_the_owners_and_members_of_the_template_are_added_once(cloud: Cloud) -> None:
    cloud.stored().write_template(Template(id="x", kind="teams", name="X", owners=(MIA, "leo@contoso.example")))
    accepted = ask(cloud, template_id="x", owners=(MIA.upper(),))
    assert isinstance(accepted, Accepted)
    assert accepted.row.owners == (MIA.upper(), "leo@contoso.example")


@pytest.mark.parametrize(
    ("privacy", "asked", "private"),
    [
        ("private", False, True),
        ("public", True, False),
        ("requester", False, False),
        ("requester", None, True),
    ],
)
def test_privacy_is_the_templates_unless_it_leaves_it_open(
    cloud: Cloud, privacy: Any, asked: bool | None, private: bool
) -> None:
    cloud.stored().write_template(Template(id="x", kind="teams", name="X", privacy=privacy))
    accepted = ask(cloud, template_id="x", is_private=asked)
    assert isinstance(accepted, Accepted)
    assert accepted.row.is_private is private


def test_what_microsoft_does_not_say_now_is_no_reason_to_refuse(cloud: Cloud) -> None:
    cloud.directory.manners.faults.append(Fault("/users", times=1, status=503))
    accepted = ask(cloud, members=("leo@contoso.example",))
    assert isinstance(accepted, Accepted)
    assert accepted.row.owner_users == ()
    cloud.run()
    assert cloud.row_of(accepted.row).status == "completed"


def test_few_requests_have_their_users_looked_up_at_once(cloud: Cloud) -> None:
    """Each holds a thread of the API meanwhile. The others are accepted, and the worker finds their users."""
    with ExitStack() as held:
        for _ in range(LOOKED_UP_AT_ONCE):
            held.enter_context(LOOK_UPS)
        accepted = ask(cloud)
    assert isinstance(accepted, Accepted)
    assert accepted.row.owner_users == ()
    cloud.run()
    assert cloud.row_of(accepted.row).status == "completed"


def test_whoever_had_users_looked_up_makes_room_for_the_next(cloud: Cloud) -> None:
    for _ in range(LOOKED_UP_AT_ONCE + 1):
        errors(cloud, owners=("nobody@contoso.example",))


def test_a_user_whom_the_worker_does_not_find_fails_the_request(cloud: Cloud) -> None:
    cloud.directory.manners.faults.append(Fault("/users", times=1, status=503))
    accepted = ask(cloud, members=("nobody@contoso.example",))
    assert isinstance(accepted, Accepted)
    cloud.run()
    row = cloud.row_of(accepted.row)
    assert (row.status, len(cloud.directory.groups)) == ("failed", 0)
    assert (row.error or "").startswith("members: nobody@contoso.example is no user of the tenant")


def test_the_same_key_is_the_same_request(cloud: Cloud) -> None:
    first = ask(cloud, "RITM1", metadata='{"a":1,"b":[2]}')
    again = ask(cloud, "RITM1", metadata='{"b": [2], "a": 1}')
    assert isinstance(first, Accepted)
    assert isinstance(again, Accepted)
    assert again.row.id == first.row.id
    assert (first.duplicate, again.duplicate) == (False, True)
    cloud.run()
    assert isinstance(ask(cloud, "RITM1", metadata='{"a":1,"b":[2]}'), Accepted)
    assert cloud.queue == []
    assert len(cloud.directory.groups) == 1


def test_numbers_are_the_same_however_they_are_written_and_digit_by_digit(cloud: Cloud) -> None:
    first = ask(cloud, "RITM1", metadata='{"a":10,"b":0.1234567890123456789}')
    assert isinstance(first, Accepted)
    assert isinstance(ask(cloud, "RITM1", metadata='{"a":1.0e1,"b":1234567890123456789e-19}'), Accepted)
    for other in ('{"a":10,"b":0.1234567890123456788}', '{"a":"10","b":0.1234567890123456789}'):
        assert ask(cloud, "RITM1", metadata=other) == KeyTaken(first.row.id)


def test_the_same_key_holds_when_the_template_has_gone_meanwhile(cloud: Cloud) -> None:
    assert isinstance(ask(cloud, "RITM1"), Accepted)
    cloud.stored().remove_template("teams")
    assert isinstance(ask(cloud, "RITM1"), Accepted)


def test_the_same_key_for_something_else_is_refused(cloud: Cloud) -> None:
    first = ask(cloud, "RITM1")
    assert isinstance(first, Accepted)
    for other in ({"display_name": "Other"}, {"kind": "groups", "template_id": "groups"}, {"metadata": "{}"}):
        assert ask(cloud, "RITM1", **other) == KeyTaken(first.row.id)


def test_a_key_belongs_to_its_caller(cloud: Cloud) -> None:
    first, second = ask(cloud, "RITM1"), ask(cloud, "RITM1", caller="another", display_name="Other")
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.row.id != second.row.id


def test_without_a_key_each_call_is_a_request(cloud: Cloud) -> None:
    ids = {outcome.row.id for _ in range(3) if isinstance(outcome := ask(cloud), Accepted)}
    assert len(ids) == 3


def test_requests_past_retention_go_and_names_with_them(cloud: Cloud) -> None:
    cloud.ask_for("groups", "Old")
    cloud.run()
    cloud.now += timedelta(days=40)
    kept = cloud.ask_for("groups", "New")
    cloud.run()
    store = cloud.stored()
    assert store.forget_before(cloud.now - timedelta(days=30)) == 1
    assert [row.id for row in store.page(None, 10, None).items] == [kept.id]
    assert store.forget_before(cloud.now - timedelta(days=30)) == 0
    assert {key[0] for key in cloud.account.tables["provisioning"]} == {"requests", "newest", "names"}
    assert len(cloud.account.tables["provisioning"]) == 3


def test_a_message_of_a_request_that_is_gone_is_passed_over(cloud: Cloud) -> None:
    request = cloud.ask_for("groups", "Quay")
    del cloud.account.tables["provisioning"][("requests", request.id)]
    cloud.run()
    assert cloud.account.queues[PROVISIONING] == []


def test_a_message_that_is_none_of_ours_is_passed_over(cloud: Cloud) -> None:
    for text in ("nonsense", "{}", '{"v":1,"request":"x","turn":"y","dueAt":"z"}'):
        cloud.account.enqueue(PROVISIONING, text, cloud.now)
    cloud.run()
    assert cloud.account.queues[PROVISIONING] == []
