"""Loopback ports: which are free."""

import atexit
import os
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from local.problem import Problem

LOOPBACK = "127.0.0.1"
BLOCKS = range(20000, 32000, 8)
"""Where free ports are looked for: systems give none of these to outgoing connections, so that they stay free until
used."""


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket() as probe:
        if os.name == "posix":
            # As servers do: connections of an earlier server that linger must not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


@dataclass(frozen=True)
class Wanted:
    """A port that something needs, and the option of `dev.py start` that chooses another."""

    port: int
    what: str
    option: str


def require_free(wanted: Sequence[Wanted], advice: str = "") -> None:
    """Raises Problem that names every one of these ports that cannot be had, and ends with the advice."""
    for each in wanted:
        if each.port > 65535:
            raise Problem(
                f"{each.what} would need port {each.port}; the highest is 65535. Choose a lower one with {each.option}."
            )
    taken = [f"  {each.port:<5} {each.what} ({each.option})" for each in wanted if not is_free(each.port)]
    if taken:
        listed = "\n".join(taken)
        raise Problem(
            f"Taken by another program on this machine, or not to be used:\n{listed}\n"
            f"{advice or 'Choose others with these options.'}"
        )


def free_ports(count: int = 1) -> int:
    """The first of `count` free ports in a row, at most eight, which are given to nobody else who asks here while this
    process lives."""
    # Not of `random`: whoever seeds that in two processes would be given the same ports in both.
    for first in random.SystemRandom().sample(BLOCKS, len(BLOCKS)):
        if all(is_free(port) for port in range(first, first + count)) and _claim(first):
            return first
    raise Problem(f"Found no {count} free ports in a row on this machine.")


def _claim(first: int) -> bool:
    """Takes a block, by the UDP port of its first number, which nothing here listens on. A TCP port that is free is so
    for whoever else looks too, until a server listens there seconds later."""
    claim = socket.socket(type=socket.SOCK_DGRAM)
    try:
        claim.bind((LOOPBACK, first))
    except OSError:
        claim.close()
        return False
    atexit.register(claim.close)
    return True
