"""The stand-in of the Management Activity API answers as documented, and what people do in it can be chosen."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import aiohttp
import pytest

from local.m365.activity import ActivityStandIn, FeedBehaviour
from local.m365.control import Throttle
from local.m365.file_activity import FileActivity
from local.m365.graph import GraphStandIn, serving_graph
from local.m365.sharing import Action, records_of
from shared.sharing.mapping import SharingEvent, map_record
from shared.sharing.record import SharingRecord, is_about_sharing, read_record
from shared.sharing.record import records_of as records_in

Answer = tuple[int, Any, Any]


class Client:
    def __init__(self, url: str, session: aiohttp.ClientSession, stand_in: ActivityStandIn) -> None:
        self.url, self._session, self.stand_in = url, session, stand_in

    async def ask(self, method: str, path: str, json: Any = None, token: str | None = None) -> Answer:
        """Status, body and headers."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        bearer = self.stand_in.token if token is None else token
        async with self._session.request(
            method, url, json=json, headers={"Authorization": f"Bearer {bearer}"}
        ) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else await answer.text(), answer.headers

    async def feed(self, method: str, operation: str) -> Answer:
        return await self.ask(method, f"/api/v1.0/{self.stand_in.tenant_id}/activity/feed/{operation}")

    async def listed(self, hours: int = 23, ago: int = 0) -> Answer:
        """A window that ends now, or so many hours ago."""
        end = datetime.now(UTC) + timedelta(seconds=1) - timedelta(hours=ago)
        start = end - timedelta(hours=hours)
        window = f"startTime={start:%Y-%m-%dT%H:%M:%S}&endTime={end:%Y-%m-%dT%H:%M:%S}"
        return await self.feed("GET", f"subscriptions/content?contentType=Audit.SharePoint&{window}")

    async def start(self) -> Answer:
        return await self.feed("POST", "subscriptions/start?contentType=Audit.SharePoint")


def with_client(test: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        graph = GraphStandIn()
        async with serving_graph(graph) as url, aiohttp.ClientSession() as session:
            await test(Client(url, session, graph.activity))

    asyncio.run(run())


def code_of(answer: Answer) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


def test_a_subscription_is_started_once() -> None:
    async def test(client: Client) -> None:
        assert code_of(await client.listed()) == (400, "AF20022")
        assert (await client.start())[1] == {"contentType": "Audit.SharePoint", "status": "enabled", "webhook": None}
        assert code_of(await client.start()) == (400, "AF20024")
        assert (await client.feed("GET", "subscriptions/list"))[1][0]["status"] == "enabled"
        assert (await client.listed())[:2] == (200, [])
        assert code_of(await client.feed("POST", "subscriptions/start?contentType=Audit.Nothing")) == (400, "AF20020")

    with_client(test)


def test_what_is_done_is_listed_and_read_page_by_page() -> None:
    async def test(client: Client) -> None:
        await client.start()
        made = [(await client.ask("POST", "/sharing", [{"do": "openFile"}]))[1]["id"] for _ in range(3)]
        await client.ask("PUT", "/sharing/behaviour", {"pageSize": 2})
        _, first, headers = await client.listed()
        _, second, last = await client.ask("GET", headers["NextPageUri"])
        assert [each["contentId"] for each in (*first, *second)] == made
        assert "NextPageUri" not in last
        _, records, _ = await client.ask("GET", first[0]["contentUri"])
        assert records[0]["Operation"] == "FileAccessed"
        assert {each["contentType"] for each in first} == {"Audit.SharePoint"}
        assert first[0]["contentCreated"].endswith("Z")

    with_client(test)


def test_windows_are_as_wide_as_the_service_takes() -> None:
    async def test(client: Client) -> None:
        await client.start()
        for hours, ago in ((25, 0), (0, 0), (2, 24 * 7)):
            assert code_of(await client.listed(hours, ago)) == (400, "AF20030")
        assert (await client.listed(23, 24 * 6))[0] == 200
        assert code_of(await client.feed("GET", "subscriptions/content?contentType=Audit.SharePoint")) == (
            400,
            "AF20002",
        )

    with_client(test)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (FeedBehaviour(permitted=False), (401, "AF10001")),
        (FeedBehaviour(auditing=False), (400, "AF20011")),
        (FeedBehaviour(disabled=True), (400, "AF20023")),
        (FeedBehaviour(throttles=[Throttle(times=1, status=403)]), (403, "AF429")),
    ],
)
def test_faults_are_answered_as_documented(behaviour: FeedBehaviour, expected: tuple[int, str]) -> None:
    async def test(client: Client) -> None:
        client.stand_in.subscribed = True
        client.stand_in.behaviour = behaviour
        assert code_of(await client.listed()) == expected
        client.stand_in.behaviour = FeedBehaviour()
        assert (await client.listed())[0] == 200

    with_client(test)


def test_a_content_can_be_lost_gone_or_young() -> None:
    async def test(client: Client) -> None:
        client.stand_in.subscribed = True
        client.stand_in.do(Action("openFile"), Action("openFile"))
        [entry] = (await client.listed())[1]
        for behaviour, expected in (
            (FeedBehaviour(lost=True), (500, "AF50000")),
            (FeedBehaviour(gone=True), (400, "AF20051")),
        ):
            client.stand_in.behaviour = behaviour
            assert code_of(await client.ask("GET", entry["contentUri"])) == expected
        client.stand_in.behaviour = FeedBehaviour(half_seconds=60, twice=True)
        assert len((await client.ask("GET", entry["contentUri"]))[1]) == 1
        assert len((await client.listed())[1]) == 2
        client.stand_in.behaviour = FeedBehaviour(delay_seconds=60)
        client.stand_in.do(Action())
        assert len((await client.listed())[1]) == 1
        client.stand_in.contents.clear()
        assert code_of(await client.ask("GET", entry["contentUri"])) == (400, "AF20050")

    with_client(test)


def test_only_its_own_token_and_tenant_are_taken() -> None:
    async def test(client: Client) -> None:
        path = f"/api/v1.0/{client.stand_in.tenant_id}/activity/feed/subscriptions/list"
        assert (await client.ask("GET", path, token="another"))[0] == 401
        other = path.replace(client.stand_in.tenant_id, "5b000000-0000-4000-8000-000000000001")
        assert code_of(await client.ask("GET", other)) == (400, "AF20010")

    with_client(test)


def test_wrong_actions_are_told() -> None:
    async def test(client: Client) -> None:
        status, text, _ = await client.ask("POST", "/sharing", [{"do": "shout"}])
        assert status == 400
        assert "do" in text
        assert "poll reads it" in (await client.ask("GET", "/"))[1]
        assert (await client.ask("POST", "/sharing/records", [{"a": 1}]))[1]["records"] == [{"a": 1}]
        assert [each["records"] for each in (await client.ask("GET", "/sharing"))[1]] == [[{"a": 1}]]
        assert (await client.ask("GET", "/sharing/behaviour"))[1]["permitted"] is True

    with_client(test)


@pytest.mark.parametrize("do", get_args(Action.__annotations__["do"]))
def test_each_action_is_one_fact_or_none(do: Any) -> None:
    """Of twins either may be the one; a poll tells one of them."""
    facts = []
    for raw in filter(is_about_sharing, records_of(Action(do), "tenant")):
        record = read_record(raw)
        assert isinstance(record, SharingRecord)
        event = map_record(record, {"contoso.com"})
        facts += [event.type] if isinstance(event, SharingEvent) else []
    assert len(facts) == (do not in ("createSite", "openFile"))


def test_file_activity_is_as_much_as_asked_for() -> None:
    crowd = FileActivity(contents=7, records=10, shares=5, hours=2)
    contents = [list(records_in(crowd.body(number, "tenant"))) for number in range(7)]
    assert [len(records) for records in contents] == [10] * 7
    shares = [raw["Id"] for records in contents for raw in records if is_about_sharing(raw)]
    assert len(set(shares)) == len(shares) == 5
    arrivals = [at for _, at in crowd.listed()]
    assert arrivals == sorted(arrivals)
    assert crowd.until - arrivals[0] == timedelta(hours=2)
