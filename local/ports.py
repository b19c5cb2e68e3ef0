"""Loopback ports: which are free."""

import os
import random
import socket

from local.problem import Problem

LOOPBACK = "127.0.0.1"


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


def require_free(port: int, what: str, option: str) -> None:
    """Raises Problem that names the port and the `option` of `dev.py start` which changes it."""
    if port > 65535:
        raise Problem(f"{what} would need port {port}; the highest is 65535. Choose a lower one with {option}.")
    if not is_free(port):
        raise Problem(
            f"Port {port} ({what}) is taken by another program on this machine, or may not be used. "
            f"Choose another with {option}."
        )


def free_ports(count: int = 1) -> int:
    """The first of `count` free ports in a row.

    From a range out of which systems give no ports to outgoing connections, so that they stay free until used.
    """
    for first in random.sample(range(20000, 32000), 200):
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise Problem(f"Found no {count} free ports in a row on this machine.")
