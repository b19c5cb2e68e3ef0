"""Events of one matter have one key, as the app's own modules publish them, and no others have it."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doubles.audit_records import DOMAINS, TENANT_ID
from doubles.format_events import events, sample_of
from doubles.samples import an_event
from doubles.simulated_tenant import Tenant as ScannedTenant
from doubles.simulated_tenant import a_row
from doubles.simulated_workspaces import Cloud, Luck, lucky
from local.m365.sharing import Action, records_of
from shared.model import IDEMPOTENCY_KEY, Event, Tenant
from shared.model.catalogue import CATALOGUE
from shared.model.correlation import RESOLVING, correlation_of
from shared.model.provisioning import KINDS
from shared.sharing.mapping import SharingEvent, map_record
from shared.sharing.record import SharingRecord, is_about_sharing, read_record

usages = st.lists(st.dictionaries(st.integers(1, 3), st.integers(60, 110), max_size=3), min_size=1, max_size=8)


def key(name: str, content: dict[str, Any], **more: Any) -> str:
    return correlation_of(an_event(type=name, content=json.dumps(content), **more)).key


@settings(max_examples=60, deadline=None)
@given(usages, st.booleans())
def test_a_recovery_has_the_key_of_its_crossing_even_if_the_site_is_renamed(
    history: list[dict[int, int]], renamed: bool
) -> None:
    tenant = ScannedTenant(settings={"STORAGE_THRESHOLDS": "75:medium,87.5:high,900GB:critical"})
    opened: dict[tuple[str, str], str] = {}
    for number, usage in enumerate(history):
        url = f"https://contoso.sharepoint.com/sites/{f'round{number}' if renamed else 'hr'}"
        told = tenant.scan(*(a_row(site, percent, url=url) for site, percent in usage.items()), a_row(9, 1))
        for event in told:
            content, matter = json.loads(event.content), correlation_of(event)
            crossing = (event.key.split(":")[1], str(content.get("threshold", content.get("thresholdBytes"))))
            if event.type == "storage.threshold_exceeded":
                assert (matter.step, opened.setdefault(crossing, matter.key)) == ("opens", matter.key)
            else:
                assert (matter.step, matter.key) == ("resolves", opened[crossing])
    assert len(set(opened.values())) == len(opened), "no two crossings are one matter"


def sharing_events(action: Action) -> list[Event]:
    """What would be told of an action, were there no twins."""
    read = [read_record(raw) for raw in records_of(action, TENANT_ID) if is_about_sharing(raw)]
    told = [map_record(record, DOMAINS) for record in read if isinstance(record, SharingRecord)]
    return [
        an_event(type=event.type, content=json.dumps(event.content), key=f"sharing:{number}")
        for number, event in enumerate(told)
        if isinstance(event, SharingEvent)
    ]


PAIRS = [
    ("share", "revoke", "File"),
    ("shareDirectly", "revokeDirectly", "File"),
    ("shareDirectly", "revokeDirectly", "Web"),
    ("shareDirectly", "removeMember", "Web"),
    ("addMember", "removeMember", "Web"),
    ("addAdmin", "removeAdmin", "Web"),
    ("anonymousLink", "removeAnonymousLink", "Folder"),
    ("organizationLink", "removeOrganizationLink", "File"),
]


@pytest.mark.parametrize(("done", "undone", "item_type"), PAIRS)
@pytest.mark.parametrize("who", ["zoe@fabrikam.example", "ZOE_fabrikam.example#ext#@contoso.onmicrosoft.com"])
def test_what_is_taken_back_has_the_key_of_what_was_shared(done: Any, undone: Any, item_type: Any, who: str) -> None:
    """Whichever record of an action speaks, and however the person is written then."""
    site = "https://contoso.sharepoint.com/sites/finance"
    item = site if item_type == "Web" else f"{site}/Shared Documents/Budget.xlsx"
    opening = sharing_events(Action(do=done, item=item, item_type=item_type))
    closing = sharing_events(Action(do=undone, item=item, item_type=item_type, who=who))
    assert opening
    assert closing
    assert {correlation_of(event).step for event in opening} == {"opens"}
    assert {correlation_of(event).step for event in closing} == {"resolves"}
    assert len({correlation_of(event).key for event in [*opening, *closing]}) == 1


def test_another_object_person_or_way_of_sharing_is_another_matter() -> None:
    site = "https://contoso.sharepoint.com/sites/finance"
    actions = [
        Action(do=do, item=f"{site}/Shared Documents/{name}.xlsx", who=who)
        for do in ("share", "shareDirectly", "invite", "anonymousLink", "organizationLink")
        for name in ("a", "b")
        for who in ("zoe@fabrikam.example", "kim@fabrikam.example")
    ]
    keys = [{correlation_of(event).key for event in sharing_events(action)} for action in actions]
    assert all(len(each) == 1 for each in keys)
    # A link for anyone, or for the organisation, is the same whoever is named beside it.
    assert len(set.union(*keys)) == 3 * 2 * 2 + 2 * 2


def test_a_request_for_a_workspace_is_one_matter_from_its_start_to_its_end() -> None:
    cloud: Cloud = lucky(1, Luck())
    for kind in KINDS:
        for name in ("Quay", "Harbour"):
            cloud.ask_for(kind, f"{name} {kind}")
    cloud.run()
    matters: dict[str, set[str]] = {}
    steps = {"ProvisioningStarted": "opens", "ProvisioningFailed": "updates", "ProvisioningCompleted": "resolves"}
    for name, content in cloud.published():
        matter = correlation_of(an_event(type=name, content=json.dumps(content), key=f"provisioning:{name}"))
        assert matter.step == steps[name]
        matters.setdefault(content["requestId"], set()).add(matter.key)
    assert len(matters) == 2 * len(KINDS)
    assert all(len(keys) == 1 for keys in matters.values())
    assert len(set.union(*matters.values())) == len(matters)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(events)
def test_whatever_an_event_holds_its_key_fits_every_field(event: Event) -> None:
    matter = correlation_of(event)
    assert IDEMPOTENCY_KEY.fullmatch(matter.key)
    assert matter.is_resolved is (event.type in RESOLVING)
    assert matter.key == event.key or len(matter.key) <= 40
    other = event.model_copy(update={"tenant": Tenant(id="another", microsoft_tenant_id="tenant")})
    assert (correlation_of(other).key == matter.key) is (matter.key == event.key or matter.key.startswith("event-"))


@pytest.mark.parametrize("name", [*CATALOGUE, "custom.test"])
def test_samples_of_a_type_are_about_one_matter_where_its_content_says_which(name: str) -> None:
    """So that a test event of the ending finds what a test event of the beginning has opened."""
    first, second = (correlation_of(sample_of(name, key=each)) for each in ("test-1", "test-2"))
    own = name.startswith(("Provisioning", "custom."))  # neither the sample nor a foreign publisher names a request
    assert (first.key == second.key) is not own
    assert (
        name not in RESOLVING
        or own
        or first.key
        in {correlation_of(sample_of(each, key="test-3")).key for each in CATALOGUE if each not in RESOLVING}
    )


def test_a_site_and_a_threshold_are_compared_as_sharepoint_and_numbers_are() -> None:
    name = "storage.threshold_exceeded"
    same = [
        {"siteUrl": "https://contoso.sharepoint.com/sites/hr", "threshold": 90},
        {"siteUrl": "https://Contoso.sharepoint.com/Sites/HR/", "threshold": 90.0},
    ]
    assert len({key(name, content) for content in same}) == 1
    others = [same[0] | {"threshold": 90.5}, {"siteUrl": same[0]["siteUrl"], "thresholdBytes": 90}]
    assert len({key(name, content) for content in [same[0], *others]}) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("storage.threshold_recovered", {"siteUrl": "https://x", "threshold": "90"}),
        ("storage.threshold_recovered", {"siteUrl": "https://x", "threshold": True}),
        ("storage.threshold_recovered", {"siteUrl": "https://x"}),
        ("storage.threshold_recovered", {"siteUrl": "https://x", "threshold": 1, "thresholdBytes": 1}),
        ("storage.threshold_recovered", {"siteUrl": 5, "threshold": 1}),
        ("permission.revoked", {"siteUrl": "https://x", "resourcePath": "/a", "permissionType": "Direct"}),
        *(
            (
                "permission.revoked",
                {"siteUrl": "x", "resourcePath": "/a", "permissionType": "Direct", "principal": "p"} | unknown,
            )
            for unknown in (
                {"principal": "Unknown"},
                {"resourcePath": "Unknown"},
                {"siteUrl": "Unknown"},
                {"principal": ["p"]},
            )
        ),
        ("ProvisioningCompleted", {"name": "x"}),
    ],
)
def test_an_event_that_does_not_say_enough_closes_nothing(name: str, content: dict[str, Any]) -> None:
    """Its key is the caller's to choose, as the key of another matter or of another event, too."""
    crossing = correlation_of(an_event(type="storage.threshold_exceeded", content="{}", key="storage:site:75:3")).key
    for named in ("own", crossing, "event-" + "A" * 26):
        opened = correlation_of(an_event(type="custom.opened", key=named)).key
        ended = correlation_of(an_event(type=name, content=json.dumps(content), key=named))
        assert ended.is_resolved
        assert ended.key not in (opened, crossing, named)
        assert opened != crossing


@pytest.mark.parametrize(
    ("opening", "ending", "content", "own"),
    [
        (
            "permission.granted",
            "permission.revoked",
            {"siteUrl": "https://x", "resourcePath": "/a", "permissionType": "Direct", "principal": "p"},
            "sharing:1",
        ),
        ("ProvisioningStarted", "ProvisioningCompleted", {"requestId": "R1"}, "provisioning:R1:started"),
    ],
)
def test_a_caller_closes_no_matter_of_the_app(opening: str, ending: str, content: dict[str, str], own: str) -> None:
    def key(name: str, named: str) -> str:
        return correlation_of(an_event(type=name, content=json.dumps(content), key=named)).key

    assert key(opening, own) == key(ending, own.replace("1", "2"))
    assert key(opening, "a") == key(ending, "b")
    assert key(opening, own) != key(ending, "b")


def test_numbers_that_no_float_can_hold_are_borne() -> None:
    for number in ("1e400", "9" * 5000, "-1e400"):
        event = an_event(
            type="storage.threshold_exceeded", content=f'{{"siteUrl":"x","threshold":{number}}}', key="own"
        )
        assert correlation_of(event).key == "own"
