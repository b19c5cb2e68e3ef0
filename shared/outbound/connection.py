"""Connections of aiohttp to checked addresses only."""

import asyncio
import ipaddress
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection

from shared.outbound.addresses import AddressPolicy, refused_address
from shared.outbound.exchange import Exchange, current_exchange
from shared.outbound.failures import RefusedAddress, Unresolved
from shared.outbound.idle import IdleConnections
from shared.outbound.relay import Relay
from shared.outbound.resolver import Resolver


@dataclass(frozen=True)
class Waits:
    """How long what is waited for, in seconds."""

    idle: float = 4.0
    """Until a connection that is not used is closed: many receivers close theirs after five seconds, and a request that
    crosses with the closing has to be sent again."""
    next_address: float = 0.25
    """Until the next address is tried beside one that does not answer (RFC 8305, "Connection Attempt Delay")."""
    body: float = 5.0
    """For the body once the head has come: the delivery is judged, and only the log wants more."""
    patience: float = 1.0
    """Until an attempt on a new connection has the idle ones of its receiver closed."""
    alone: float = 300.0
    """For which no connection is then kept there."""


USUAL_WAITS = Waits()

_MOST_REMEMBERED = 2000

_MOST_OF_A_FAMILY = 16
"""Addresses of a name that are dialled, of IPv4 and of IPv6 each. A name may have 4,000, which all refuse."""


class GuardedConnector(aiohttp.TCPConnector):
    """Dials none but addresses that passed the guard, the one that worked last first, and relays what comes back."""

    def __init__(self, resolver: Resolver, policy: AddressPolicy, tls: ssl.SSLContext, waits: Waits) -> None:
        self._worked: OrderedDict[str, str] = OrderedDict()
        self._idle_seconds = waits.idle
        self._idle = IdleConnections(asyncio.get_running_loop(), waits.patience, waits.alone)
        super().__init__(
            resolver=_CheckedResolver(resolver, policy, self._worked),
            use_dns_cache=False,
            ssl=tls,
            limit=0,
            keepalive_timeout=waits.idle,
            happy_eyeballs_delay=waits.next_address,
        )

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """A connection that serves the current exchange, a new one where that has asked before."""
        exchange = current_exchange()
        exchange.reused = exchange.answered = False
        self._idle.watch(exchange)
        try:
            connection, relay = await self._relayed(req, traces, timeout, exchange)
        except BaseException:
            exchange.settle()
            raise
        relay.begin(exchange)
        connection.add_callback(relay.end)
        return connection

    async def _relayed(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout, exchange: Exchange
    ) -> tuple[Connection, Relay]:
        while True:
            connection = await super().connect(req, traces, timeout)
            transport, reader = connection.transport, connection.protocol
            if transport is None or reader is None:  # it was lost in the same moment
                connection.close()
                raise aiohttp.ServerDisconnectedError
            relay = transport.get_protocol()
            if not isinstance(relay, Relay):
                relay = Relay(transport, reader, self._idle, self._idle_seconds)
                transport.set_protocol(relay)
                self._remember(exchange.place[1], transport)
                return connection, relay
            if not exchange.asked_again:
                exchange.reused = True
                exchange.settle()  # the receiver serves this connection
                return connection, relay
            connection.close()

    def _remember(self, host: str, transport: asyncio.Transport) -> None:
        peer = transport.get_extra_info("peername")
        if peer:
            self._worked[host] = str(peer[0])
            self._worked.move_to_end(host)
            if len(self._worked) > _MOST_REMEMBERED:
                self._worked.popitem(last=False)


class _CheckedResolver(AbstractResolver):
    """Names to addresses that passed the guard, all or none of them."""

    def __init__(self, resolver: Resolver, policy: AddressPolicy, worked: OrderedDict[str, str]) -> None:
        self._resolver = resolver
        self._policy = policy
        self._worked = worked

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        exchange = current_exchange()
        exchange.resolving = True
        try:
            addresses = await self._resolver.addresses_on_loop(host, port)
        except OSError as error:
            raise Unresolved(f"the name {host} does not resolve ({error.strerror or error})") from None
        exchange.resolving = False
        refused = refused_address(host, addresses, self._policy)
        if refused is not None:
            raise RefusedAddress(f"refused: {refused.reason}")
        if not addresses:
            raise Unresolved(f"the name {host} has no address")
        return [_result(host, address, port) for address in _to_dial(addresses, self._worked.get(host))]

    async def close(self) -> None:
        """The resolver's threads are the process's."""


def _to_dial(addresses: Sequence[str], first: str | None) -> list[str]:
    """The address that worked last, then the others in their order, and of each family no more than are dialled."""
    chosen: list[str] = []
    found = Counter[bool]()
    for address in sorted(addresses, key=lambda each: each != first):
        found[":" in address] += 1
        if found[":" in address] <= _MOST_OF_A_FAMILY:
            chosen.append(address)
    return chosen


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST
    )
