"""Names are looked up in threads of their own, shared by those who ask for the same name."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.outbound.resolver import NotInTime, Resolver, resolve_by_system


def test_it_answers_with_what_the_name_stands_for() -> None:
    assert Resolver(lambda host, port: [f"{host}:{port}"]).addresses("a", 1, 5) == ["a:1"]


def test_a_name_that_does_not_resolve_raises() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    resolver = Resolver(resolve)
    for _ in range(2):
        with pytest.raises(socket.gaierror, match="unknown"):
            resolver.addresses("a", 1, 5)


def test_those_who_ask_meanwhile_share_a_look_up_and_later_ones_ask_anew() -> None:
    started, let_go = threading.Event(), threading.Event()
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        started.set()
        let_go.wait()
        return ["1.1.1.1"]

    resolver = Resolver(resolve)
    with ThreadPoolExecutor(5) as threads:
        first = threads.submit(resolver.addresses, "a", 1, 5)
        assert started.wait(5)
        with pytest.raises(NotInTime):
            resolver.addresses("a", 1, 0.01)
        let_go.set()
        assert first.result() == ["1.1.1.1"]
    assert asked == ["a"]
    assert resolver.addresses("a", 1, 5) == ["1.1.1.1"]
    assert asked == ["a", "a"]


def test_a_hung_name_delays_no_other() -> None:
    let_go = threading.Event()
    resolver = Resolver(lambda host, port: [host] if host != "hung" or let_go.wait() else [])
    try:
        with pytest.raises(NotInTime):
            resolver.addresses("hung", 1, 0.01)
        assert [resolver.addresses(f"name-{number}", 1, 5) for number in range(20)] == [
            [f"name-{number}"] for number in range(20)
        ]
    finally:
        let_go.set()


def test_a_hundred_hung_names_delay_no_other() -> None:
    """As many look-ups as there were threads hung, and nobody was found any more."""
    let_go = threading.Event()
    resolver = Resolver(lambda host, port: [host] if "hung" not in host or let_go.wait() else [])
    try:
        for number in range(100):
            with pytest.raises(NotInTime):
                resolver.addresses(f"hung-{number}", 1, 0)
        assert resolver.addresses("a", 1, 5) == ["a"]
    finally:
        let_go.set()


def test_the_system_answers_each_address_once() -> None:
    assert resolve_by_system("127.0.0.1", 443) == ["127.0.0.1"]
    addresses = resolve_by_system("localhost", 443)
    assert addresses
    assert len(set(addresses)) == len(addresses)
