"""What a poll does with a feed that is not as it should be, and what it tells of it."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from doubles.audit_records import a_grant, a_link_for, a_record, an_anonymous_link, audit_id
from doubles.simulated_audit import DAY, HOUR, MINUTE, START, UNREADABLE, Deployment, FakeFeed, ids_of
from shared.m365.client import GraphFailed
from shared.m365.management import OutOfTime
from shared.model import utc_text
from shared.sharing.feed import ContentGone, FeedFailed
from shared.sharing.poll import poll
from shared.sharing.run import LEASE, SUBSCRIBE_EVERY
from shared.storage.clients import StorageUnavailable
from shared.storage.retention import drop_old_tables

SETTLED = START - HOUR
"""A time of arrival that is long enough ago."""

THROTTLED = FeedFailed("throttled", "the API answered 403 (AF429)")


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def lines(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    found = [json.loads(record.message) for record in caplog.records if record.message.startswith("{")]
    return [line for line in found if line["event"] == name]


def test_an_anonymous_link_is_one_event_that_says_all_there_is_to_say() -> None:
    deployment = Deployment(settings={"TENANT_ID": "contoso"})
    deployment.service.add(an_anonymous_link(), START - MINUTE)
    [event] = deployment.poll()
    content = json.loads(event.content)
    assert (event.type, event.severity) == ("permission.anonymous_link_created", "high")
    assert event.time_stamp == "2026-11-20T09:58:12.000Z", "when it was shared, not when it was read"
    assert event.key == f"sharing:{audit_id(1)}"
    assert (content["principal"], content["actor"], content["clientIp"]) == (
        "Anyone",
        "mia@contoso.example",
        "203.0.113.9",
    )
    assert event.tenant is not None
    assert event.tenant.id == "contoso"


def test_the_settings_choose_types_domains_and_what_is_said() -> None:
    default = Deployment(settings={"SHARING_EVENTS": "", "SHARING_CLIENT_IP": "false"})
    settings = {"SHARING_INTERNAL_DOMAINS": "Subsidiary.example"}
    records = [
        a_record("AnonymousLinkCreated", 1),
        a_grant("AddedToSecureLink", "kim@subsidiary.example", "", 2),
        a_grant("SharingRevoked", "kim@subsidiary.example", "", 3),
    ]
    default.service.add(records, SETTLED)
    events = default.poll()
    assert [event.type.partition(".")[2] for event in events] == ["anonymous_link_created", "external_share_created"]
    assert "clientIp" not in events[0].content
    other = Deployment(service=default.service, settings=settings)
    assert [event.type.partition(".")[2] for event in other.poll()] == ["anonymous_link_created", "granted", "revoked"]


def test_a_poll_tells_what_it_saw(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment()
    files = [{"RecordType": 6, "Operation": "FileAccessed", "Id": audit_id(number)} for number in range(50, 60)]
    others = [
        a_record("AnonymousLinkCreated", 20, OrganizationId="5b000000-0000-4000-8000-000000000001"),
        a_record("AnonymousLinkCreated", 21, CreationTime="soon"),
        a_record("AnonymousLinkUsed", 22),
    ]
    deployment.service.add([*files, *an_anonymous_link(1), *a_link_for("zoe@fabrikam.example", 10), *others], SETTLED)
    deployment.service.add(an_anonymous_link(1), START - 2 * MINUTE)
    deployment.poll()
    [line] = lines(caplog, "sharing.polled")
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "sharing.polled",
        "contents": 2,
        "records": 27,
        "sharing": 17,
        "published": 2,
        "known": 1,
        "twins": 4,
        "noise": 7,
        "unmapped": 1,
        "unwanted": 0,
        "unreadable": 1,
        "foreign": 1,
        "failed": 0,
        "lost": 0,
        "parked": 0,
        "complete": True,
        "newestContentAgeSeconds": 120,
    }
    assert lines(caplog, "sharing.record_unreadable") == [
        {"event": "sharing.record_unreadable", "reason": "it has no time of creation"}
    ]
    assert deployment.state.unreadable_at == START


def test_the_first_poll_looks_back_a_day_and_later_ones_no_further() -> None:
    deployment = Deployment()
    deployment.service.add([a_record("AnonymousLinkCreated", 1)], START - 25 * HOUR)
    deployment.service.add([a_record("AnonymousLinkCreated", 2)], START - 23 * HOUR)
    for _ in range(3):
        deployment.poll()
        deployment.now += 8 * HOUR
    assert ids_of(deployment.events()) == [audit_id(2)]


def test_the_subscription_is_started_once_a_day_and_one_that_is_on_is_fine(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment()
    deployment.service.is_on = False
    deployment.poll()
    assert (deployment.service.starts, deployment.service.is_on) == (1, True)
    deployment.poll()
    assert deployment.service.starts == 1
    deployment.now += SUBSCRIBE_EVERY
    deployment.poll()
    assert deployment.service.starts == 2
    assert [line["outcome"] for line in lines(caplog, "sharing.subscribed")] == ["started", "was on"]


def test_a_subscription_that_was_switched_off_is_started_and_the_gap_is_named(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment()
    deployment.poll()
    deployment.now += HOUR
    deployment.service.is_on = False
    deployment.poll()
    assert deployment.service.is_on
    [gap] = deployment.state.gaps
    assert (gap.kind, gap.start, gap.end) == ("off", START, START + HOUR)
    assert lines(caplog, "sharing.gap")[0]["kind"] == "off"
    assert deployment.state.problem is None
    deployment.now += 7 * DAY - 2 * HOUR
    deployment.poll()
    assert deployment.state.gaps
    deployment.now += 3 * HOUR
    deployment.poll()
    assert deployment.state.gaps == ()


@pytest.mark.parametrize("problem", ["not-subscribed", "disabled"])
def test_a_start_that_takes_effect_later_is_not_repeated_at_once(problem: Any) -> None:
    deployment = Deployment()

    class Refusing(FakeFeed):
        def list(self, *window: Any) -> Any:
            raise FeedFailed(problem, "AF20022")

    def poll_once() -> None:
        poll(deployment.app, lambda: Refusing(deployment.service, deployment.app.now, lambda: None))

    for starts in (1, 1, 1, 2):
        poll_once()
        assert (deployment.service.starts, deployment.state.problem) == (starts, problem)
        deployment.now += 5 * MINUTE
    deployment.poll()
    assert (deployment.state.problem, deployment.state.gaps) == (None, ())


def test_a_start_that_fails_is_not_repeated_by_the_next_poll() -> None:
    deployment = Deployment()
    deployment.service.is_on = False
    deployment.service.failure = FeedFailed("permission", "grant ActivityFeed.Read")
    deployment.poll()
    deployment.service.failure = None
    deployment.now += 10 * MINUTE
    deployment.poll()
    assert (deployment.service.starts, deployment.state.problem) == (0, "not-subscribed")
    deployment.now += 5 * MINUTE
    deployment.poll()
    assert (deployment.service.starts, deployment.state.problem) == (1, None)


def test_throttling_is_waited_out_longer_each_time(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment()
    deployment.service.add([a_record("AnonymousLinkCreated", 1)], SETTLED)
    deployment.service.failure = THROTTLED
    for seconds in (30, 60, 120, 240, 480, 600, 600):
        deployment.poll()
        assert deployment.state.problem == "throttled"
        assert deployment.state.retry_at == deployment.now + timedelta(seconds=seconds)
        calls = len(deployment.service.calls)
        deployment.now += timedelta(seconds=seconds - 1)
        assert deployment.poll() == []
        assert len(deployment.service.calls) == calls, "nothing is asked before"
        deployment.now += timedelta(seconds=1)
    assert lines(caplog, "sharing.poll_failed")[-1]["failures"] == 7
    deployment.service.failure = FeedFailed("throttled", "429", timedelta(seconds=5))
    deployment.poll()
    assert deployment.state.retry_at == deployment.now + timedelta(seconds=5), "the service's own word counts"
    deployment.now += timedelta(seconds=5)
    deployment.service.failure = None
    assert ids_of(deployment.poll()) == [audit_id(1)]
    assert (deployment.state.problem, deployment.state.failures, deployment.state.retry_at) == (None, 0, None)


def test_while_nothing_is_audited_the_feed_is_asked_once_an_hour() -> None:
    deployment = Deployment()
    deployment.service.failure = FeedFailed("auditing-off", "AF20012")
    deployment.poll()
    deployment.service.failure = None
    deployment.now += 59 * MINUTE
    deployment.poll()
    assert deployment.state.problem == "auditing-off"
    deployment.now += MINUTE
    deployment.poll()
    assert deployment.state.problem is None


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (FeedFailed("permission", "grant ActivityFeed.Read"), "permission"),
        (FeedFailed("configuration", "ENTRA_TENANT_ID"), "configuration"),
        (FeedFailed("unreachable", "the API answered 500"), "unreachable"),
        (StorageUnavailable("inserting into sharing: storage answered 500"), "storage"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_poll_that_fails_is_a_line_a_state_and_a_next_try(
    caplog: pytest.LogCaptureFixture, failure: Exception, problem: str
) -> None:
    deployment = Deployment()
    deployment.service.add([a_record("AnonymousLinkCreated", 1)], SETTLED)
    deployment.service.failure = failure
    deployment.poll()
    [line] = lines(caplog, "sharing.poll_failed")
    assert (line["problem"], line["error"], line["failures"]) == (problem, str(failure), 1)
    assert deployment.state.problem == problem
    deployment.service.failure = None
    assert ids_of(deployment.poll()) == [audit_id(1)]
    assert deployment.state.problem is None


def test_what_nobody_expected_is_told_and_left_to_the_host(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment()
    deployment.service.failure = KeyError("secret")
    with pytest.raises(KeyError):
        deployment.poll()
    [line] = lines(caplog, "sharing.poll_failed")
    assert line["problem"] == deployment.state.problem == "unexpected"
    assert "secret" not in line["error"]
    assert deployment.state.held_until is None, "the next poll need not wait for the lease"


def test_a_poll_whose_time_is_over_has_not_failed_and_the_next_goes_on() -> None:
    deployment = Deployment()
    for number in range(4):
        deployment.service.add([a_record("AnonymousLinkCreated", number)], SETTLED + number * MINUTE)

    class Slow(FakeFeed):
        def read(self, content: Any) -> Any:
            if self._service.calls.count("read") == 2:
                raise OutOfTime("over")
            return super().read(content)

    poll(deployment.app, lambda: Slow(deployment.service, deployment.app.now, lambda: None))
    assert ids_of(deployment.events()) == [audit_id(0), audit_id(1)]
    assert deployment.state.problem is None
    deployment.service.calls.clear()
    deployment.poll()
    assert ids_of(deployment.events()) == [audit_id(number) for number in range(4)]
    assert deployment.service.calls.count("read") == 2, "what was read is marked"


def test_a_gap_of_more_than_seven_days_is_named_and_what_is_listed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment()
    deployment.poll()
    deployment.now += 10 * DAY
    deployment.service.add([a_record("AnonymousLinkCreated", 1)], START + HOUR)
    deployment.service.add([a_record("AnonymousLinkCreated", 2)], deployment.now - 6 * DAY)
    assert ids_of(deployment.poll()) == [audit_id(2)]
    [gap] = deployment.state.gaps
    assert (gap.kind, gap.start) == ("late", START - 10 * MINUTE)
    assert gap.end == deployment.now - 7 * DAY + HOUR
    [line] = lines(caplog, "sharing.gap")
    assert line["start"] == utc_text(gap.start)
    deployment.poll()
    assert len(deployment.state.gaps) == 1


def test_a_gap_that_grows_while_the_feed_is_refused_is_one() -> None:
    deployment = Deployment()
    deployment.poll()
    deployment.service.failure = FeedFailed("permission", "grant ActivityFeed.Read")
    deployment.now += 8 * DAY
    for _ in range(5):
        deployment.poll()
        deployment.now += HOUR
    [gap] = deployment.state.gaps
    assert gap.end == deployment.now - HOUR - 7 * DAY + HOUR


def test_a_content_that_cannot_be_read_keeps_nobody_up_and_is_tried_until_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    deployment = Deployment()
    broken = deployment.service.add([a_record("AnonymousLinkCreated", 1)], SETTLED, failure=UNREADABLE)
    deployment.service.add([a_record("AnonymousLinkCreated", 2)], SETTLED + MINUTE)
    assert ids_of(deployment.poll()) == [audit_id(2)]
    assert deployment.state.cursor == START - 10 * MINUTE
    assert deployment.state.parked == 1
    waits = []
    for _ in range(8):
        [parked] = deployment.app.sharing.parked()
        waits.append(parked.try_at - deployment.now)
        deployment.now = parked.try_at
        deployment.poll()
    assert waits[:6] == [minutes * MINUTE for minutes in (2, 4, 8, 16, 32, 60)]
    assert set(waits[6:]) == {HOUR}
    broken.failure = None
    deployment.now += HOUR
    assert ids_of(deployment.poll()) == [audit_id(1)]
    assert (deployment.state.parked, deployment.app.sharing.parked()) == (0, [])
    assert lines(caplog, "sharing.content_lost") == []


def test_one_that_stays_unreadable_is_named_as_lost_when_it_expires(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment()
    deployment.service.add([a_record("AnonymousLinkCreated", 1)], SETTLED, failure=UNREADABLE)
    for _ in range(30):
        deployment.poll()
        deployment.now += 6 * HOUR
    [line] = lines(caplog, "sharing.content_lost")
    assert line["contentCreatedAt"] == utc_text(SETTLED)
    assert deployment.state.lost_at is not None
    assert deployment.state.parked == 0


@pytest.mark.parametrize("gone", ["expired", "absent"])
def test_a_content_that_is_gone_is_named_as_lost_once(caplog: pytest.LogCaptureFixture, gone: str) -> None:
    deployment = Deployment()
    blob = deployment.service.add([a_record("AnonymousLinkCreated", 1)], SETTLED)
    if gone == "expired":
        blob.expires_at = START - MINUTE
    else:
        blob.failure = ContentGone()
    deployment.poll()
    deployment.poll()
    assert len(lines(caplog, "sharing.content_lost")) == 1
    assert deployment.state.lost_at == START


def test_a_content_that_is_cut_off_is_told_as_far_as_it_goes_and_read_again() -> None:
    deployment = Deployment()
    whole = json.dumps([a_record("AnonymousLinkCreated", number) for number in (1, 2)]).encode()
    blob = deployment.service.add([], SETTLED, body=whole[:-20])
    assert ids_of(deployment.poll()) == [audit_id(1)]
    blob.body = whole
    deployment.now += 2 * MINUTE
    assert ids_of(deployment.poll()) == [audit_id(2)]


def test_a_fresh_content_that_fails_is_tried_by_the_next_poll() -> None:
    deployment = Deployment()
    blob = deployment.service.add([a_record("AnonymousLinkCreated", 1)], START - MINUTE, failure=UNREADABLE)
    deployment.poll()
    assert deployment.app.sharing.parked() == []
    blob.failure = None
    assert ids_of(deployment.poll()) == [audit_id(1)]


def test_one_that_is_listed_before_it_is_there_is_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment()
    blob = deployment.service.add([a_record("AnonymousLinkCreated", 1)], START - MINUTE, failure=ContentGone())
    deployment.poll()
    assert (lines(caplog, "sharing.content_lost"), deployment.state.lost_at) == ([], None)
    assert "does not have" in lines(caplog, "sharing.content_failed")[0]["error"]
    blob.failure = None
    assert ids_of(deployment.poll()) == [audit_id(1)]


def test_when_all_contents_fail_it_is_not_about_them_and_yet_polls_come_further() -> None:
    deployment = Deployment()
    for number in range(12):
        deployment.service.add([], SETTLED + number * MINUTE, failure=UNREADABLE)
    deployment.service.add([a_record("AnonymousLinkCreated", 99)], SETTLED + 20 * MINUTE)
    deployment.poll()
    assert deployment.service.calls.count("read") == 5
    assert deployment.state.problem == "unreachable"
    deployment.poll()
    assert ids_of(deployment.poll()) == [audit_id(99)]
    assert (deployment.state.problem, deployment.state.parked) == (None, 12)


def test_without_the_tenants_domains_only_names_say_who_is_outside(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment(settings={"SHARING_INTERNAL_DOMAINS": "subsidiary.example"})
    deployment.service.domains = GraphFailed("Microsoft Graph refused: grant Domain.Read.All")
    records = [
        a_grant("AddedToSecureLink", "kim@fabrikam.example", "Member", 1),
        a_grant("AddedToSecureLink", "zoe_fabrikam.example#ext#@contoso.onmicrosoft.com", "Member", 2),
        a_grant("AddedToSecureLink", "pat@fabrikam.example", "Guest", 3),
    ]
    deployment.service.add(records, SETTLED)
    kinds = [event.type.partition(".")[2] for event in deployment.poll()]
    assert kinds == ["granted", "external_share_created", "external_share_created"]
    assert deployment.state.domains_unknown
    [line] = lines(caplog, "sharing.domains_unknown")
    assert "Domain.Read.All" in line["error"]
    deployment.poll()
    assert deployment.service.calls.count("domains") == 1
    deployment.service.domains = frozenset({"contoso.example"})
    deployment.now += HOUR
    deployment.service.add([a_grant("AddedToSecureLink", "kim@fabrikam.example", "Member", 4)], START)
    assert [event.type.partition(".")[2] for event in deployment.poll()] == ["external_share_created"]
    assert not deployment.state.domains_unknown


def test_domains_that_were_read_once_are_kept_while_they_cannot_be() -> None:
    deployment = Deployment()
    deployment.poll()
    deployment.service.domains = GraphFailed("gone")
    deployment.now += DAY
    deployment.service.add([a_grant("AddedToSecureLink", "kim@fabrikam.example", "Member", 1)], deployment.now - HOUR)
    assert [event.type.partition(".")[2] for event in deployment.poll()] == ["external_share_created"]
    assert deployment.state.domains_unknown


def test_a_second_instance_leaves_the_feed_to_the_first(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment()
    other = deployment.instance()

    class Watched(FakeFeed):
        def subscribe(self) -> Any:
            calls = len(deployment.service.calls)
            deployment.poll(other)
            assert len(deployment.service.calls) == calls
            return super().subscribe()

    poll(deployment.app, lambda: Watched(deployment.service, deployment.app.now, lambda: None))
    assert lines(caplog, "sharing.poll_held")[0]["until"] == utc_text(START + LEASE)
    assert deployment.state.problem is None


def test_a_poll_that_lost_its_lease_ends_without_a_word_on_how_it_went(caplog: pytest.LogCaptureFixture) -> None:
    deployment = Deployment()
    later = deployment.instance(ahead=2 * LEASE)

    class Watched(FakeFeed):
        def subscribe(self) -> Any:
            deployment.poll(later)
            return super().subscribe()

    poll(deployment.app, lambda: Watched(deployment.service, deployment.app.now, lambda: None))
    assert len(lines(caplog, "sharing.polled")) == len(lines(caplog, "sharing.poll_superseded")) == 1
    assert deployment.state.last_success_at == START + 2 * LEASE


def test_storage_that_is_away_from_the_start_is_told(caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    deployment = Deployment()

    def fail(*_: Any) -> None:
        raise StorageUnavailable("storage answered 500")

    monkeypatch.setattr(type(deployment.app.sharing), "state", fail)
    assert deployment.poll() == []
    [line] = lines(caplog, "sharing.poll_failed")
    assert line["problem"] == "storage"


def test_a_record_that_comes_again_after_weeks_is_not_told_again() -> None:
    deployment = Deployment()
    deployment.service.add(an_anonymous_link(), SETTLED)
    assert len(deployment.poll()) == 1
    deployment.account.queues.clear()
    deployment.now += 40 * DAY
    drop_old_tables(deployment.app.services, deployment.now, deployment.app.settings.retention)
    deployment.service.add(an_anonymous_link(), deployment.now - HOUR)
    assert deployment.poll() == []
    deployment.account.tables = {
        name: rows for name, rows in deployment.account.tables.items() if name != "sharing20261116"
    }
    deployment.service.add(an_anonymous_link(), deployment.now)
    assert deployment.poll() == [], "the event itself is known too"


def test_marks_are_forgotten_after_a_month_and_records_with_their_week() -> None:
    deployment = Deployment()
    deployment.service.add(an_anonymous_link(), SETTLED)
    deployment.poll()
    rows = [row for partition, row in deployment.account.tables["sharing"] if partition == "contents"]
    assert rows == [f"{SETTLED:%Y%m%d%H%M}"]
    deployment.now += 31 * DAY
    deployment.poll()
    assert [row for partition, row in deployment.account.tables["sharing"] if partition == "contents"] == []
    deployment.now += 30 * DAY
    drop_old_tables(deployment.app.services, deployment.now, deployment.app.settings.retention)
    assert "sharing20261116" not in deployment.account.tables
    assert "sharing" in deployment.account.tables


def test_the_state_is_read_as_it_was_written() -> None:
    deployment = Deployment()
    deployment.poll()
    state = deployment.state
    assert utc_text(state.since) == "2026-11-19T10:30:00.000Z"
    assert (state.holder, state.held_until, state.last_success_at) == ("", None, START)
    assert "contoso.example" in state.domains
