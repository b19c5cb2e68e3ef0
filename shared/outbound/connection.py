"""Connections of aiohttp to checked addresses only."""

import asyncio
import ipaddress
import socket
import ssl
from collections import OrderedDict
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection

from shared.outbound.addresses import AddressPolicy, refused_address
from shared.outbound.resolver import Resolver

IDLE_SECONDS = 4.0
"""A connection unused for longer is not used again: many receivers close theirs after five seconds, and a request that
crosses with the closing would cost an attempt."""

NEXT_ADDRESS_SECONDS = 0.25
"""How long an address is waited for before the next one is tried beside it (RFC 8305, "Connection Attempt Delay")."""

_MOST_REMEMBERED = 2000


class RefusedAddress(OSError):
    """The name resolves to an address to which nothing may be sent; the text says why."""


class Unresolved(OSError):
    """The name does not resolve."""


@dataclass
class Exchange:
    """What is known of the request under way: `reused` says that its connection had been used before."""

    host: str
    resolving: bool = False
    reused: bool = False
    asked_again: bool = False


class _CurrentExchange:
    """The exchange of the task that runs."""

    def __init__(self) -> None:
        self._variable: ContextVar[Exchange] = ContextVar("exchange")

    def begin(self, host: str) -> Exchange:
        exchange = Exchange(host)
        self._variable.set(exchange)
        return exchange

    def get(self) -> Exchange:
        return self._variable.get()


current_exchange = _CurrentExchange()


class GuardedConnector(aiohttp.TCPConnector):
    """Dials none but addresses that passed the guard, the one that worked last first."""

    def __init__(self, resolver: Resolver, policy: AddressPolicy, tls: ssl.SSLContext) -> None:
        self._worked: OrderedDict[str, str] = OrderedDict()
        self._used: WeakSet[Any] = WeakSet()
        super().__init__(
            resolver=_CheckedResolver(resolver, policy, self._worked),
            use_dns_cache=False,
            ssl=tls,
            limit=0,
            keepalive_timeout=IDLE_SECONDS,
            happy_eyeballs_delay=NEXT_ADDRESS_SECONDS,
        )

    async def connect(self, req: ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout) -> Connection:
        connection = await super().connect(req, traces, timeout)
        exchange, protocol = current_exchange.get(), connection.protocol
        exchange.reused = protocol in self._used
        if not exchange.reused and protocol is not None:
            self._used.add(protocol)
            self._remember(exchange.host, connection.transport)
        return connection

    def _remember(self, host: str, transport: asyncio.Transport | None) -> None:
        peer = transport.get_extra_info("peername") if transport is not None else None
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
        exchange = current_exchange.get()
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
        first = self._worked.get(host)
        return [_result(host, address, port) for address in sorted(addresses, key=lambda each: each != first)]

    async def close(self) -> None:
        """The resolver's threads are the process's."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST
    )
