"""Where a delivery may go: every block of addresses that is closed, and every way round a naive check."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.outbound.addresses import AddressPolicy, Refused, is_public, refused_address

TOLD_IN = "docs/receivers.md#the-url"

STRICT = AddressPolicy()
LOCAL = AddressPolicy(allow_private=True)

IPV4_BLOCKS = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
]
IPV6_BLOCKS = [
    "2001::/23",
    "2001::/32",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "5f00::/16",
    "fec0::/10",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0/96",
    "fe80::/10",
    "fc00::/7",
    "ff00::/8",
    "100::/64",
]
EMBEDDING = ("::ffff:", "::", "64:ff9b::")


@pytest.mark.parametrize("block", IPV4_BLOCKS)
def test_no_ipv4_block_of_the_list_is_reached_at_either_end(block: str) -> None:
    network = IPv4Network(block)
    assert not is_public(str(network.network_address))
    assert not is_public(str(network.broadcast_address))


@pytest.mark.parametrize("block", IPV6_BLOCKS)
def test_no_ipv6_block_of_the_list_is_reached_at_either_end(block: str) -> None:
    network = IPv6Network(block)
    assert not is_public(str(network.network_address))
    assert not is_public(str(network.broadcast_address))


@given(st.sampled_from(IPV4_BLOCKS), st.data())
def test_no_address_inside_an_ipv4_block_is_reached(block: str, data: st.DataObject) -> None:
    network = IPv4Network(block)
    assert not is_public(str(network[data.draw(st.integers(0, network.num_addresses - 1))]))


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_of_ipv6_only_global_unicast_outside_the_blocks_is_reached(address: IPv6Address) -> None:
    allowed = address in IPv6Network("2000::/3") and not any(address in IPv6Network(block) for block in IPV6_BLOCKS)
    assert is_public(str(address)) is allowed


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_an_ipv4_address_is_reached_when_no_block_holds_it(address: IPv4Address) -> None:
    assert is_public(str(address)) is not any(address in IPv4Network(block) for block in IPV4_BLOCKS)


@given(st.integers(0, 2**32 - 1).map(IPv4Address), st.sampled_from(EMBEDDING))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_reached(address: IPv4Address, prefix: str) -> None:
    assert not is_public(f"{prefix}{address}")


@pytest.mark.parametrize(
    "address",
    [
        *(
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
        ),
        *("172.15.255.255", "172.32.0.0", "192.0.1.0", "192.88.98.255", "192.169.0.0", "198.17.255.255", "198.20.0.0"),
        *("203.0.114.0", "223.255.255.255", "168.63.129.15", "168.63.129.17", "1.1.1.1", "20.42.0.1"),
        *(
            "2000::1",
            "2001:200::1",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "3ffe::1",
            "3fff:1000::1",
        ),
    ],
)
def test_neighbours_of_the_blocks_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "168.63.129.16",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "192.0.0.8",
            "192.88.99.1",
            "224.0.0.1",
            "100.64.0.1",
        ),
        *(
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "::ffff:7f00:1",
            "::127.0.0.1",
            "fe80::1%eth0",
            "2606:4700::1%eth0",
        ),
        *("64:ff9b:1::a00:1", "fd00:ec2::254", "255.255.255.255", "::ffff:8.8.8.8", "2001::1"),
    ],
)
def test_what_pythons_own_judgement_lets_through_is_refused(address: str) -> None:
    assert not is_public(address)


def test_one_private_address_among_public_ones_is_enough_to_refuse_a_name() -> None:
    assert refused_address("mixed.example", ["1.1.1.1", "10.0.0.1"], STRICT) == Refused(
        "mixed.example is or resolves to an address that is not on the public internet"
    )
    assert refused_address("mixed.example", ["2606:4700::1111", "::1"], STRICT) is not None
    assert refused_address("good.example", ["1.1.1.1", "2606:4700::1111"], STRICT) is None


def test_private_addresses_are_reached_where_the_dangerous_setting_allows_it() -> None:
    assert refused_address("localhost", ["127.0.0.1", "::1"], LOCAL) is None
