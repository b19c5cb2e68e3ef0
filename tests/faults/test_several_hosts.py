"""Two and four hosts on one storage account. Nothing is lost, copies are few, and each timer runs once."""

from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from doubles.hooks import Receivers
from e2e.api import Api
from e2e.conftest import Issuer, MakeSettings, MakeStorage, Storage
from e2e.hosting import ROOT, hosting, write_app

from .flow import QUICKLY, flowing, reconciles, take_note, wait_until_drained

EVERY_MINUTE, EVERY_SECOND = '"0 * * * * *"', '"* * * * * *"'
TIMER_RUNS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app, whose timer `measure` runs every second."""
    source = (ROOT / "function_app.py").read_text()
    assert source.count(EVERY_MINUTE) == 1
    return write_app(tmp_path_factory.mktemp("app"), source.replace(EVERY_MINUTE, EVERY_SECOND))


def test_several_hosts_lose_nothing_and_run_each_timer_once(
    folder: Path,
    make_storage: MakeStorage,
    make_settings: MakeSettings,
    issuer: Issuer,
    receivers: Receivers,
    full: bool,
) -> None:
    for count in (2, 4) if full else (4,):
        _run_on(count, 2000 if full else 120, make_storage(), make_settings, folder, issuer, receivers)


def _run_on(
    count: int,
    events: int,
    storage: Storage,
    make_settings: MakeSettings,
    folder: Path,
    issuer: Issuer,
    receivers: Receivers,
) -> None:
    settings = make_settings(storage, **QUICKLY)
    with ExitStack() as stack:
        hosts = [stack.enter_context(hosting(settings, folder=folder)) for _ in range(count)]
        hook = receivers.serve().hook()
        taken = take_note(hook)
        with closing(Api(hosts[0].url, issuer.key)) as api:
            api.register(hook.url, "custom.flow")
        with flowing(issuer.key, "custom.flow", [host.url for host in hosts]) as flow:
            flow.wait(events, within=120)
        wait_until_drained(storage.connection)
        found = reconciles(flow, taken, hosts[0].url, issuer.key)
        timer = next(host for host in hosts if host.found("queue.measured"))
        timer.wait_for_count("queue.measured", 2 * TIMER_RUNS)
        attempts = [Counter(each["deliveryId"] for each in host.found("delivery.attempted")) for host in hosts]
        runs = [host.found("queue.measured", queue="deliveries") for host in hosts]
    posts = Counter(each.key for each in hook.received)
    made = sum(attempts, Counter[str]())
    print(f"{count} hosts: {[each.total() for each in attempts]} attempts; {len(posts)} events")
    assert all(attempts), "each host takes its part"
    assert posts.total() == made.total()
    assert found.repeated == 0, "with no fault nothing is sent twice"
    assert len([each for each in runs if each]) == 1, "one host runs the timer"
