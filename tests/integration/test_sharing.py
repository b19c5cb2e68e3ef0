"""Table `sharing` and its weekly ones, and whole polls, on a real storage account."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from doubles.audit_records import DOMAINS, TENANT_ID, a_grant, a_record, an_anonymous_link, audit_id
from doubles.simulated_audit import FakeFeed, Service
from shared.model.sharing import Gap, PollState
from shared.sharing.poll import poll
from shared.storage.clients import Services, StorageUnavailable, Written
from shared.storage.retention import drop_old_tables
from shared.storage.sharing import ParkedContent, Sharing, span_of

from .conftest import Calls
from .scene import THURSDAY, Scene

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
STATE = PollState(
    since=THURSDAY - DAY,
    cursor=THURSDAY - 10 * MINUTE,
    problem="throttled",
    domains=("contoso.example",),
    gaps=(Gap(kind="late", start=THURSDAY - 9 * DAY, end=THURSDAY - 7 * DAY, noted_at=THURSDAY),),
)


@pytest.fixture
def sharing(services: Services) -> Sharing:
    return Sharing(services)


def test_the_state_comes_back_as_it_was_written_and_one_of_two_writers_wins(sharing: Sharing) -> None:
    assert sharing.state() is None
    assert sharing.write_state(STATE, None) is Written.DONE
    assert sharing.write_state(STATE, None) is Written.CONFLICT
    stored = sharing.state()
    assert stored is not None
    assert stored.value == STATE
    changed = STATE.model_copy(update={"problem": None})
    assert sharing.write_state(changed, stored) is Written.DONE
    assert sharing.write_state(STATE, stored) is Written.CONFLICT


def test_marks_are_read_from_a_time_on_and_forgotten_before_one(sharing: Sharing) -> None:
    assert sharing.marks(THURSDAY) == {}
    sharing.write_state(STATE, None)
    spans = [span_of(THURSDAY + number * 10 * MINUTE) for number in range(4)]
    for number, span in enumerate(spans):
        sharing.write_marks(span, {f"mark-{each}" for each in range(number * 1000 + 1)})
    assert sharing.marks(THURSDAY + 15 * MINUTE).keys() == set(spans[1:])
    assert len(sharing.marks(THURSDAY)[spans[3]]) == 3001
    sharing.forget_marks(THURSDAY + 20 * MINUTE)
    assert sharing.marks(THURSDAY).keys() == set(spans[2:])


def test_a_span_holds_all_that_the_quota_lets_arrive(sharing: Sharing) -> None:
    """2,000 requests a minute: more cannot be read, let alone be marked."""
    sharing.write_state(STATE, None)
    marks = {f"{number:016x}" for number in range(20_000)}
    sharing.write_marks(span_of(THURSDAY), marks)
    assert sharing.marks(THURSDAY)[span_of(THURSDAY)] == marks


def test_parked_contents_wait_under_whatever_name_they_have(sharing: Sharing) -> None:
    sharing.write_state(STATE, None)
    assert sharing.parked() == []
    times = {"created_at": THURSDAY, "expires_at": THURSDAY + 7 * DAY, "try_at": THURSDAY + MINUTE}
    content = ParkedContent(id="2026$1/#?\\x", uri="https://feed/1", **times)
    sharing.park(content)
    sharing.park(content.model_copy(update={"tries": 2}))
    assert sharing.parked() == [content.model_copy(update={"tries": 2})]
    sharing.unpark(content.id)
    assert sharing.parked() == []


def test_a_record_is_told_in_the_week_in_which_it_was_made(sharing: Sharing, services: Services) -> None:
    assert not sharing.is_told(audit_id(1), THURSDAY)
    sharing.mark_told(audit_id(1), THURSDAY)
    sharing.mark_told(audit_id(1), THURSDAY)
    assert sharing.is_told(audit_id(1), THURSDAY)
    assert not sharing.is_told(audit_id(2), THURSDAY)
    assert services.table_names() == ["sharing20261116"]
    drop_old_tables(services, THURSDAY + 60 * DAY, 30 * DAY)
    assert not sharing.is_told(audit_id(1), THURSDAY)


def test_one_of_two_twins_tells_whoever_asks_how_often(sharing: Sharing) -> None:
    names = ("a" * 40,)
    for _ in range(2):
        assert not sharing.twin_tells(names, THURSDAY, "one", "SharingSet")
        assert sharing.twin_tells(names, THURSDAY, "two", "AddedToGroup")
        assert not sharing.twin_tells(names, THURSDAY, "three", "AddedToGroup"), "the pair is complete"
        assert not sharing.twin_tells(names, THURSDAY, "four", "SharingSet")


def polled(scene: Scene, service: Service) -> None:
    poll(scene.app, lambda: FakeFeed(service, scene.clock, lambda: None))


@pytest.fixture
def watching(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A deployment that watches sharing in one tenant."""
    given = {"entra_tenant_id": TENANT_ID, "sharing_poll_schedule": "0 */5 * * * *"}
    for name, value in given.items():
        monkeypatch.setitem(scene.app.settings.__dict__, name, value)
    return scene


def filled(scene: Scene, *contents: list[dict[str, Any]]) -> Service:
    service = Service(domains=DOMAINS)
    for number, records in enumerate(contents):
        service.add(records, scene.clock.now - timedelta(hours=2) + number * MINUTE)
    return service


def test_a_share_reaches_the_receiver_once(watching: Scene) -> None:
    watching.register(types=("permission.*",), sites=("*/sites/quay",))
    service = filled(watching, an_anonymous_link(), an_anonymous_link())
    polled(watching, service)
    watching.run()
    [(_, _, body)] = watching.receiver.posts
    assert json.loads(body)["type"] == "permission.anonymous_link_created"
    watching.clock.move(DAY)
    polled(watching, service)
    watching.run()
    assert len(watching.receiver.posts) == 1


def test_polls_of_several_hosts_at_once_publish_each_share_once(watching: Scene) -> None:
    records = [
        a_grant(operation, f"guest{number}@fabrikam.example", "Guest", 2 * number + second, CorrelationId=f"c{number}")
        for number in range(20)
        for second, operation in enumerate(("SharingSet", "AddedToGroup"))
    ]
    service = filled(watching, *([record] for record in records))
    hosts = [watching.elsewhere() for _ in range(4)]
    for number, host in enumerate(hosts):  # each finds that the others' lease is over
        host.clock = type(host.clock)(host.clock.now + number * timedelta(minutes=2))
        object.__setattr__(host.app, "now", host.clock)
    polled(watching, Service())
    with ThreadPoolExecutor(len(hosts)) as threads:
        for _ in threads.map(lambda host: polled(host, service), hosts):
            pass
    watching.clock.move(timedelta(minutes=10))
    polled(watching, service)
    keys = [event.key for event in watching.events("permission.")]
    assert len(keys) == len(set(keys)) == 20
    assert {json.loads(event.content)["principal"] for event in watching.events("permission.")} == {
        f"guest{number}@fabrikam.example" for number in range(20)
    }


def test_a_poll_without_news_costs_the_same_however_much_is_in_the_feed(watching: Scene, calls: Calls) -> None:
    service = filled(watching, *([a_record("SharingInheritanceBroken", number)] for number in range(200)))
    polled(watching, service)
    calls.clear()
    polled(watching, service)
    assert len(calls) == 6
    assert sum(method not in ("GET", "HEAD") for method, _ in calls) == 2


def test_transactions_grow_with_shares_and_not_with_the_rest(watching: Scene, calls: Calls) -> None:
    service = Service(domains=DOMAINS)

    def cost(shares: int, others: int) -> int:
        watching.clock.move(timedelta(minutes=20))
        records = [a_record("AnonymousLinkCreated", 1000 * shares + each) for each in range(shares)]
        records += [{"RecordType": 6, "Id": audit_id(each), "Operation": "FileAccessed"} for each in range(others)]
        service.add(records, watching.clock.now - 15 * MINUTE)
        calls.clear()
        polled(watching, service)
        return len(calls)

    cost(1, 1)
    few = cost(2, 10)
    assert cost(4, 2000) - few == 2 * 3, "is it told; the event; it is told"


def test_storage_that_fails_half_way_leaves_a_share_to_the_next_poll(
    watching: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise StorageUnavailable("storage answered 500")

    service = filled(watching, an_anonymous_link())
    with monkeypatch.context() as patch:
        patch.setattr(Sharing, "mark_told", fail)
        polled(watching, service)
    state = watching.app.sharing.state()
    assert state is not None
    assert state.value.problem == "storage"
    polled(watching, service)
    assert len(watching.events("permission.")) == 1
