"""Where a delivery may go: the shape of a URL and the addresses behind its name. Pure.

The list is IANA's special-purpose address registries (IPv4 and IPv6) and Azure's platform address
168.63.129.16. `ipaddress.is_global` is not used: it lets several of these through.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import idna

MAX_URL_LENGTH = 4096

_NO_IPV4 = [
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
]
_ONLY_IPV6 = IPv6Network("2000::/3")
_NO_IPV6 = [IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_IPV4_INSIDE = [IPv6Network("::ffff:0:0/96"), IPv6Network("::/96"), IPv6Network("64:ff9b::/96")]


@dataclass(frozen=True)
class Target:
    """An endpoint URL taken apart. `path` is what goes on the request line: path and query, byte for byte."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def literal_address(self) -> tuple[str, ...]:
        """The host, where it is an IP address: no resolver is asked for that."""
        return (self.host,) if is_address(self.host) else ()


@dataclass(frozen=True)
class Refused:
    """Nothing may be sent there; `reason` says what to change and never shows the path or query."""

    reason: str


@dataclass(frozen=True)
class Unresolved:
    """No name server knows the host, or none answered in time: perhaps a slip, perhaps a receiver that comes later."""

    host: str


@dataclass(frozen=True)
class AddressPolicy:
    """What this deployment allows. `hosts` narrows to names or patterns such as `*.contoso.com`."""

    allow_private: bool = False
    hosts: tuple[str, ...] = ()


def read_url(url: str, policy: AddressPolicy) -> Target | Refused:
    """The target a URL names, or why it can be none. Says nothing of what its name resolves to."""
    if len(url) > MAX_URL_LENGTH:
        return Refused(f"the URL is longer than {MAX_URL_LENGTH} characters")
    if re.search(r"[\x00-\x20\x7f\\]", url) or not url.isprintable():
        return Refused("the URL holds a space, a control character or a backslash: percent-encode it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return Refused("the URL cannot be read: give https://host/path")
    if port == 0:
        return Refused("port 0 cannot be reached")
    scheme = parts.scheme.lower()
    if scheme != "https" and not (scheme == "http" and policy.allow_private):
        return Refused("the URL must start with https://")
    if "@" in parts.netloc:
        return Refused("the URL must not hold a user name or password")
    if "#" in url:
        return Refused("the URL must not hold a fragment (#…): it would never be sent")
    host = _ascii_host(parts.hostname or "", "[" in parts.netloc)
    if isinstance(host, Refused):
        return host
    if policy.hosts and not any(fnmatchcase(host, pattern.lower()) for pattern in policy.hosts):
        return Refused(f"{host} is not among this deployment's ALLOWED_ENDPOINT_HOSTS")
    path = url[url.index("://") + 3 + len(parts.netloc) :]
    if not path.isascii():
        return Refused("the path and query must be ASCII: percent-encode other characters")
    if not path.startswith("/"):
        path = "/" + path
    return Target(scheme, host, port or (443 if scheme == "https" else 80), path)


def refused_address(host: str, addresses: Sequence[str], policy: AddressPolicy) -> Refused | None:
    """Refused when *any* address of the host may not be reached: a name with one good address is not to be trusted."""
    if policy.allow_private:
        return None
    if any(not is_public(address) for address in addresses):
        return Refused(f"{host} is or resolves to an address that is not on the public internet")
    return None


def is_address(host: str) -> bool:
    """Whether a host is an IP address rather than a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether a delivery may reach this IP address."""
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return not any(ip in block for block in _NO_IPV4)
    if ip.scope_id or any(ip in block for block in _IPV4_INSIDE):
        return False
    return ip in _ONLY_IPV6 and not any(ip in block for block in _NO_IPV6)


def _ascii_host(host: str, bracketed: bool) -> str | Refused:
    """The host as it is resolved: IDNs as A-labels; IP addresses only in their one plain notation."""
    if bracketed:
        try:
            return str(IPv6Address("%" if "%" in host else host))
        except ValueError:
            return Refused("the brackets must hold an IPv6 address without a zone")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            return Refused("the host is not a valid name")
    name = host.removesuffix(".").lower()
    last = name.rpartition(".")[2]
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last):  # resolvers read 127.1, 0x7f.1 and 2130706433 as addresses
        try:
            return str(IPv4Address(name))
        except ValueError:
            return Refused("write an IPv4 address as four decimal numbers")
    if not re.fullmatch(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", name) or len(name) > 253:
        return Refused("the host is not a valid name")
    return name
