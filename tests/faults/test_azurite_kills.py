"""Storage goes away and comes back while events flow, with and without the host."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import chain
from time import monotonic

import pytest

from doubles.background import Background
from doubles.hooks import Hook, Receivers
from e2e.api import Api, custom
from e2e.conftest import Issuer, MakeSettings
from e2e.hosting import Host

from .flow import QUICKLY, Flow, draw_up, flowing, never, reconciles, take_note, wait_until_drained
from .storage import Azurite

pytestmark = pytest.mark.alone

LEASE = 3
MARGIN_SECONDS = 2.0
"""From a POST to the last that is written of its delivery, polling included."""
TYPE = "custom.flow"
AT_ONCE = "00000003"
"""A key that `mood` takes at once."""


@dataclass
class Stage:
    """A host on an Azurite, and an endpoint."""

    azurite: Azurite
    settings: dict[str, str]
    issuer: Issuer
    hook: Hook
    taken: list[str]
    host: Host
    past: set[str] = field(default_factory=set)

    def restart_host(self) -> None:
        self.host = Host(self.settings, LEASE)
        assert self.host.url

    def settle(self, flow: Flow) -> None:
        flow.stop()
        wait_until_drained(self.azurite.connection)

    def begin(self) -> None:
        """What came before is no part of the next ledger."""
        self.past = {each.key for each in self.hook.received}
        self.taken.clear()


@pytest.fixture(scope="module")
def stage(
    background: Background,
    tmp_path_factory: pytest.TempPathFactory,
    make_settings: MakeSettings,
    issuer: Issuer,
    receivers: Receivers,
) -> Iterator[Stage]:
    azurite = Azurite(background, tmp_path_factory.mktemp("azurite"))
    with ExitStack() as stack:
        stack.callback(azurite.kill)
        hook = receivers.serve().hook()
        settings = make_settings(azurite, **QUICKLY)
        stage = Stage(azurite, settings, issuer, hook, take_note(hook), Host(settings, LEASE))
        stack.callback(lambda: stage.host.kill())
        with closing(Api(stage.host.url, issuer.key)) as api:
            api.register(hook.url, TYPE)
            api.publish(custom(TYPE, AT_ONCE))  # makes the week's tables
        hook.wait()
        yield stage


def test_storage_that_freezes_or_restarts_loses_nothing(stage: Stage, full: bool) -> None:
    """What it acknowledged, it has."""
    stage.begin()
    with flowing(stage.issuer.key, TYPE, [stage.host.url], pause=0.05) as flow:
        for seconds in (3, 20, 40) if full else (2,):  # the SDKs give up a request after 15
            flow.wait_for_more(30)
            with stage.azurite.frozen():
                flow.pause_for(seconds)
        for _ in range(5 if full else 1):
            flow.wait_for_more(20)
            stage.azurite.stop()
            stage.azurite.start()
        for _ in range(5 if full else 1):
            flow.wait_for_more(20, within=60)
            stage.host.kill()
            stage.azurite.stop()
            stage.azurite.start()
            stage.restart_host()
            flow.use(stage.host.url)
        flow.wait_for_more(30)
        stage.settle(flow)
    found = reconciles(flow, stage.taken, stage.host.url, stage.issuer.key)
    assert found.failed == len([key for key in flow.accepted if never(key)])


def test_a_kill_of_the_emulator_takes_back_only_its_last_seconds(stage: Stage, full: bool) -> None:
    """It acknowledges before it saves, which Azure Storage does not: what it loses is no loss of the app, which must
    neither lose more nor tell of it as delivered."""
    stage.begin()
    unsaved: list[tuple[float, float]] = []
    with flowing(stage.issuer.key, TYPE, [stage.host.url], pause=0.05) as flow:
        for number in range(10 if full else 1):
            flow.wait_for_more(30, within=60)
            saved_at = stage.azurite.wait_until_saved()
            flow.wait_for_more(30)
            stage.azurite.kill()
            unsaved.append((saved_at - MARGIN_SECONDS, monotonic()))
            if number % 2 == 0:
                stage.host.kill()
            stage.azurite.start()
            if number % 2 == 0:
                stage.restart_host()
                flow.use(stage.host.url)
        flow.wait_for_more(30, within=60)
        stage.settle(flow)
    with closing(Api(stage.host.url, stage.issuer.key)) as api:
        found = draw_up(flow, stage.taken, api)
        rows = {line["idempotencyKey"]: line for line in chain(*api.pages(f"endpoint={_endpoint(api)}"))}
    lost = {key for _, key in found.lost}
    print(f"{len(unsaved)} kills of Azurite took back {[round(end - begin, 1) for begin, end in unsaved]} s; ", end="")
    print(f"{len(lost)} of {found.accepted} lost")
    for key in lost:
        written_at = [flow.accepted[key], *(each.at for each in stage.hook.of(key))]
        assert any(begin < at < end for begin, end in unsaved for at in written_at), key
        assert key not in rows or rows[key]["status"] == "pending"
    assert {key for _, key in found.unknown} <= stage.past, "taken back with the messages that were deleted meanwhile"


def _endpoint(api: Api) -> str:
    return str(api.call("GET", "/v1.0/webhooks/endpoints").json[0]["id"])
