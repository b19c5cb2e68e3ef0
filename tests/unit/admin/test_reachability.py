"""What may be registered at all, and how many receivers are asked at once."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from doubles.key_server import LEAST
from doubles.samples import an_endpoint
from shared.admin import reachability
from shared.admin.consent import NotConsented, consent_problem
from shared.admin.reachability import ASKED_AT_ONCE, WITHIN, Busy, Gate, Unreachable, name_problem, url_problem
from shared.app import App
from shared.outbound.addresses import Refused, Unresolved
from shared.outbound.client import NoResponse, Response
from shared.settings import SettingsError, read_settings

PRIVATE = Refused("hooks.contoso.com is or resolves to an address that is not on the public internet")


class Client:
    """Finds what a test wants it to find."""

    def __init__(self, found: Refused | Unresolved | None = None, answer: Response | NoResponse | None = None) -> None:
        self.found, self.answer = found, answer
        self.checked: list[tuple[str, timedelta]] = []

    def check(self, url: str, within: timedelta) -> Refused | Unresolved | None:
        self.checked.append((url, within))
        return self.found

    async def options(self, url: str, headers: object, within: timedelta) -> Response | NoResponse:
        assert self.answer is not None
        assert within == WITHIN
        return self.answer


def an_app(client: Client | None = None, **settings: str) -> App:
    parts: Any = {"settings": read_settings(LEAST | settings), "client": client or Client()}
    parts["background"] = SimpleNamespace(run=asyncio.run)
    return cast(App, SimpleNamespace(**parts))


def reason(url: str, client: Client | None = None, *, for_admin: bool = True, **settings: Any) -> str | None:
    problem = url_problem(an_app(client, **settings), url, for_admin=for_admin)
    assert not isinstance(problem, Busy | Unresolved)
    return None if problem is None else problem.reason


@pytest.mark.parametrize("for_admin", [True, False])
def test_a_name_that_does_not_resolve_can_be_registered_and_is_told_of(for_admin: bool) -> None:
    gone = Unresolved("hooks.contoso.com")
    assert url_problem(an_app(Client(gone)), "https://hooks.contoso.com/x", for_admin=for_admin) == gone


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "sub.localhost", "ip6-localhost", "storage", "printer.local", "vm.internal", "a.b.internal"),
        *("nas.home.arpa", "home.arpa", "x.test", "x.invalid", "receiver.example", "abc.onion"),
    ],
)
def test_names_of_private_networks_and_of_none_are_refused(host: str) -> None:
    assert name_problem(host) is not None
    assert reason(f"https://{host}/hook") is not None
    assert reason(f"https://{host}/hook", DANGEROUS_ALLOW_PRIVATE_ENDPOINTS="true") is None


@pytest.mark.parametrize(
    "host", ["hooks.contoso.com", "local.contoso.com", "example.com", "8.8.8.8", "2001:4860:4860::8888", "x.localhosts"]
)
def test_all_other_names_and_addresses_are_looked_up(host: str) -> None:
    assert name_problem(host) is None


@pytest.mark.parametrize(
    ("port", "settings", "taken"),
    [
        ("", {}, True),
        (":80", {}, True),
        (":443", {}, True),
        (":1024", {}, True),
        (":65535", {}, True),
        (":22", {}, False),
        (":25", {}, False),
        (":1023", {}, False),
        (":25", {"DANGEROUS_ALLOW_PRIVATE_ENDPOINTS": "true"}, True),
        (":8080", {"ALLOWED_ENDPOINT_PORTS": "443, 8000-8099"}, True),
        (":8100", {"ALLOWED_ENDPOINT_PORTS": "443, 8000-8099"}, False),
        (":80", {"ALLOWED_ENDPOINT_PORTS": "443"}, False),
        (":22", {"ALLOWED_ENDPOINT_PORTS": "22"}, True),
        (":25", {"ALLOWED_ENDPOINT_PORTS": "443", "DANGEROUS_ALLOW_PRIVATE_ENDPOINTS": "true"}, False),
    ],
)
def test_ports_of_other_services_are_refused(port: str, settings: dict[str, Any], taken: bool) -> None:
    said = reason(f"https://hooks.contoso.com{port}/", None, **settings)
    assert (said is None) is taken
    assert taken or f"the port {port[1:]}" in str(said)


@pytest.mark.parametrize("text", ["x", "0", "65536", "443;80", "90-80", "1-", "-1"])
def test_ports_that_are_none_are_a_settings_error(text: str) -> None:
    with pytest.raises(SettingsError, match="ALLOWED_ENDPOINT_PORTS"):
        read_settings(LEAST | {"ALLOWED_ENDPOINT_PORTS": text})


def test_what_a_name_resolves_to_is_told_to_admins_alone() -> None:
    """The texts told a subscriber which names of the private network there are."""
    url = "https://hooks.contoso.com/?code=hidden"
    assert reason(url, Client(PRIVATE)) == PRIVATE.reason
    said = reason(url, Client(PRIVATE), for_admin=False)
    assert said == "deliveries cannot be sent to hooks.contoso.com: ask an admin"


@pytest.mark.parametrize(
    "answer", [NoResponse("no connection to x port 22: refused"), Response(200, None, None), Response(500, "x", None)]
)
def test_what_a_receiver_answers_to_the_handshake_is_told_to_admins_alone(answer: Response | NoResponse) -> None:
    app = an_app(Client(answer=answer))
    endpoint = an_endpoint(format="cloudevents", settings={"cloudevents": '{"handshake":true}'})
    for_admin = consent_problem(app, None, endpoint, for_admin=True)
    for_others = consent_problem(app, None, endpoint, for_admin=False)
    assert isinstance(for_admin, NotConsented)
    assert isinstance(for_others, NotConsented)
    assert for_admin.reason.startswith(for_others.reason + "; it ")
    assert for_others.reason.endswith("or '*', within 3 s")


def test_a_look_up_has_three_seconds() -> None:
    client = Client()
    assert reason("https://hooks.contoso.com/", client) is None
    assert client.checked == [("https://hooks.contoso.com/", timedelta(seconds=3))]


@pytest.fixture
def full() -> Iterator[Gate]:
    """As many are inside as may be, and as many wait."""
    gate, over = Gate(ASKED_AT_ONCE, timedelta(seconds=30)), threading.Event()
    inside = threading.Barrier(ASKED_AT_ONCE + 1)

    def stay() -> None:
        with gate.passed() as passed:
            assert passed
            inside.wait()
            over.wait()

    def follow() -> bool:
        with gate.passed() as passed:
            return passed

    with ThreadPoolExecutor(2 * ASKED_AT_ONCE) as threads:
        first = [threads.submit(stay) for _ in range(ASKED_AT_ONCE)]
        inside.wait()
        then = [threads.submit(follow) for _ in range(ASKED_AT_ONCE)]
        while gate._near._value:  # until all of them wait
            threading.Event().wait(0.001)
        yield gate
        over.set()
        assert all(each.result() for each in then), "who waited comes in when there is room"
        assert [each.result() for each in first] == [None] * ASKED_AT_ONCE


def test_who_finds_no_room_to_wait_is_turned_away_at_once(full: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """80 handshakes with a receiver that hung held all threads of the API for 19 s."""
    monkeypatch.setattr(reachability, "GATE", full)
    client = Client()
    assert url_problem(an_app(client), "https://hooks.contoso.com/", for_admin=True) == Busy()
    assert client.checked == []


def test_nobody_waits_longer_than_said() -> None:
    gate = Gate(1, timedelta(milliseconds=20))
    with ExitStack() as stack:
        assert stack.enter_context(gate.passed())
        assert not stack.enter_context(gate.passed())
    with gate.passed() as passed:
        assert passed


def test_a_url_of_a_wrong_shape_is_told_to_all() -> None:
    for for_admin in (True, False):
        problem = url_problem(an_app(), "http://hooks.contoso.com/", for_admin=for_admin)
        assert problem == Unreachable("the URL must start with https://")
