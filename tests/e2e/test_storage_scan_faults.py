"""A scan that is killed, or that two hosts run at once, tells of each crossing once; and one that doubts the report
asks the site itself."""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from doubles.hooks import Hook, Receiver, Receivers
from local.m365.control import GRANTED, RateLimit, Throttle
from local.m365.tenant import Site

from .api import Api, eventually
from .conftest import Graph, Issuer, MakeGraph, MakeSettings, MakeStorage
from .hosting import QUEUES, Host, hosting
from .scanning import EXCEEDED, RECOVERED, Scans, keys_by_site, listening, new_site, told

pytestmark = pytest.mark.alone

MANY = 12
CONFIRMED = 4
LEASE = 3


@pytest.fixture(scope="module")
def graph(make_graph: MakeGraph) -> Graph:
    return make_graph()


@pytest.fixture(scope="module")
def settings(make_storage: MakeStorage, make_settings: MakeSettings, graph: Graph) -> dict[str, str]:
    """Of apps on one storage that confirm crossings."""
    quickly = {f"{QUEUES}maxPollingInterval": "00:00:00.5", f"{QUEUES}visibilityTimeout": "00:00:01"}
    return make_settings(make_storage(), STORAGE_CONFIRM_CROSSINGS="true", **quickly, **graph.settings)


@pytest.fixture(scope="module")
def two(settings: dict[str, str], graph: Graph, issuer: Issuer) -> Iterator[list[Scans]]:
    """Scans of two hosts."""
    with ExitStack() as stack:
        hosts = [stack.enter_context(hosting(settings)) for _ in range(2)]
        apis = [stack.enter_context(closing(Api(host.url, issuer.key))) for host in hosts]
        yield [Scans(host, api, graph.stand_in) for host, api in zip(hosts, apis, strict=True)]


@pytest.fixture(scope="module")
def receiver(receivers: Receivers) -> Receiver:
    return receivers.serve()


def test_two_hosts_that_scan_at_once_tell_of_each_crossing_once(two: list[Scans], receiver: Receiver) -> None:
    sites = {new_site(f"both-{number}") for number in range(MANY)}
    for site in sites:
        two[0].use(site, 95)
    with listening(two[0].api, receiver) as (hook, _):
        # Both wait a second for the report, and so begin to judge at the same time.
        with two[0].behaving(throttles=[Throttle("/reports/", times=2)]):
            for scans in two:
                scans.start()
            records = [scans.host.wait_for("storage.scanned") for scans in two]
        assert sum(record["exceeded"] for record in records) == MANY
        hook.wait(MANY)
        _expect_one_key_each(hook, sites)
        published = [line for scans in two for line in scans.host.found("event.published", duplicate=False)]
        assert len(published) == MANY
        assert two[1].scanned()["exceeded"] == 0
        assert len(hook.received) == MANY


def test_a_crossing_that_the_site_itself_does_not_confirm_is_not_told(two: list[Scans], receiver: Receiver) -> None:
    scans, site = two[0], new_site("tidied")
    with listening(scans.api, receiver, site) as (hook, _):
        scans.use(site, 95, live_used_bytes=400_000)
        record = scans.scanned()
        assert (record["exceeded"], record["refuted"], record["unconfirmed"]) == (0, 1, 0)
        scans.use(site, 95, live_used_bytes=760_000)
        assert scans.scanned()["exceeded"] == 1
        assert told(hook.wait()) == [(EXCEEDED, site, 75)]
        scans.use(site, 20, live_used_bytes=760_000)
        assert scans.scanned()["recovered"] == 0
        scans.use(site, 20, live_used_bytes=100_000)
        assert scans.scanned()["recovered"] == 1
        assert told(hook.wait(2)[1:]) == [(RECOVERED, site, 75)]


def test_without_an_answer_of_the_site_the_report_counts(two: list[Scans], receiver: Receiver) -> None:
    scans, site = two[0], new_site("silent")
    with listening(scans.api, receiver, site) as (hook, _):
        scans.use(site, 95, live_used_bytes=400_000)
        with scans.behaving(permissions=GRANTED - {"Sites.Read.All"}):
            record = scans.scanned()
        assert (record["exceeded"], record["unconfirmed"]) == (1, 1)
        assert told(hook.wait()) == [(EXCEEDED, site, 90)]


def test_a_scan_that_is_killed_twice_tells_of_each_crossing_once(
    make_storage: MakeStorage, settings: dict[str, str], graph: Graph, issuer: Issuer, receiver: Receiver
) -> None:
    graph.stand_in.tenant.sites.clear()
    sites = {new_site(f"killed-{number}") for number in range(MANY)}
    settings = settings | {"AzureWebJobsStorage": make_storage().connection}
    keys: set[str] = set()
    with ExitStack() as stack:

        def live() -> Scans:
            host = Host(settings, LEASE)
            stack.callback(host.kill)
            return Scans(host, stack.enter_context(closing(Api(host.url, issuer.key))), graph.stand_in)

        def die(scans: Scans) -> None:
            scans.host.kill()
            keys.update(line["idempotencyKey"] for line in scans.host.found("event.published"))

        hook = receiver.hook()
        scans = live()
        scans.api.register(hook.url, "storage.*")
        for site in sites:
            scans.use(site, 95)
        # The first one dies while it waits to ask one site.
        with scans.behaving(throttles=[Throttle("/drive", after=CONFIRMED, retry_after_seconds=600)]) as behaviour:
            scans.start()
            eventually(lambda: behaviour.throttles[0].times, lambda left: left == 0)
            die(scans)
        assert len(keys) == CONFIRMED
        # The second one, slowed to five crossings a second, dies when it has published and not yet marked the row.
        scans = live()
        with scans.behaving(rate_limit=RateLimit(100, remaining=4, reset_seconds=1)):
            scans.start()
            scans.host.wait_for_count("event.published", 3, within=20)
            die(scans)
        assert CONFIRMED < len(keys) < MANY
        scans = live()
        scans.scanned()
        keys.update(line["idempotencyKey"] for line in scans.host.found("event.published"))
        assert _site_ids(keys) == sorted(Site(site).id for site in sites), "one key for each site"
        # What was stored but not yet on its way is put again, and hidden for two minutes.
        hook.wait(MANY - 1, within=LEASE + 15)
        for key in keys:
            assert len(scans.api.event(key)["deliveries"]) == 1
        assert scans.scanned()["exceeded"] == 0
        assert set(keys_by_site(hook.received)) <= sites
        assert all(len(found) == 1 for found in keys_by_site(hook.received).values())


def _site_ids(keys: set[str]) -> list[str]:
    """Of the sites that these idempotency keys belong to; a site is there as often as it has keys."""
    return sorted(key.split(":")[1] for key in keys)


def _expect_one_key_each(hook: Hook, sites: set[str]) -> None:
    found = keys_by_site(hook.received)
    assert found.keys() == sites
    assert all(len(keys) == 1 for keys in found.values()), found
