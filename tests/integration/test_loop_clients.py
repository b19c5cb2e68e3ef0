"""Rows of one partition that are written in one transaction, on real tables."""

import asyncio
from datetime import timedelta

import pytest

from doubles.running import open_until_the_end, run
from shared.delivery import poison
from shared.settings import Settings
from shared.storage.clients import Services, Written
from shared.storage.loop_clients import Insert, LoopServices, Replace

from .scene import BUSY, Scene, an_event

TABLE = "deliveries20261116"


def entity(row: str, text: str = "x") -> dict[str, str]:
    return {"PartitionKey": "one", "RowKey": row, "Text": text}


@pytest.fixture
def loop_services(settings: Settings, services: Services) -> LoopServices:
    services.table(TABLE).create()
    services.table(TABLE).insert(entity("there"))
    made = LoopServices(settings)
    open_until_the_end(made)
    return made


@pytest.mark.parametrize(
    "clashing",
    [
        Insert(entity("there", "new")),
        Replace(entity("there", "new"), "W/\"datetime'x'\""),
        Replace(entity("gone"), "*"),
    ],
    ids=["a-row-that-is-there", "a-row-that-has-changed", "a-row-that-is-gone"],
)
def test_where_one_clashes_none_is_written(loop_services: LoopServices, services: Services, clashing: Insert) -> None:
    for operations in ([Insert(entity("new")), clashing], [clashing, Insert(entity("new"))]):
        assert run(loop_services.write_together(TABLE, operations)) is False
        assert services.table(TABLE).get("one", "new") is None
        assert run(loop_services.write(TABLE, clashing)) is Written.CONFLICT, "as alone"


def test_without_the_table_none_is_written_and_each_is_told(loop_services: LoopServices) -> None:
    operations = [Insert(entity("a")), Insert(entity("b"))]
    assert run(loop_services.write_together("deliveries20261109", operations)) is False
    assert run(loop_services.write("deliveries20261109", operations[0])) is Written.NO_TABLE


def test_all_are_written_where_none_clashes(loop_services: LoopServices, services: Services) -> None:
    assert run(loop_services.write_together(TABLE, [Insert(entity("a")), Insert(entity("b"))])) is True
    assert services.table(TABLE).get("one", "b") is not None


def test_deliveries_that_are_exhausted_at_once_all_reach_the_alert_log(scene: Scene) -> None:
    """Each tries to insert its row first, and they went together: the transaction's 409 was taken for a failure."""
    scene.register()
    scene.receiver.answers = [BUSY]
    for number in range(3):
        scene.publish(an_event(f"key-{number}"))
    while len(scene.poison.held) < 3:
        scene.dispatch_next()
    bodies = [text.encode() for text, _ in scene.poison.held]
    scene.poison.held.clear()
    scene.clock.move(timedelta(seconds=1))

    async def at_once() -> None:
        await asyncio.gather(*(poison.exhausted(scene.app, body, scene.clock.now, 1) for body in bodies))

    run(at_once())
    assert len(scene.alerts()) == 3
