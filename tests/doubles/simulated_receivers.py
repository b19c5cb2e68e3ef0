"""Receivers in virtual time: each says what it does with a POST at a time, and takes a while for it."""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """After so many seconds: taken, failed, or (`retry_after` is given) asked for less."""

    seconds: float
    taken: bool = True
    retry_after: float | None = None


Receiver = Callable[[float], Answer]
"""What an endpoint does with a POST at a time."""

HANGS = Answer(10**6, taken=False)


def healthy(seconds: float) -> Receiver:
    return lambda now: Answer(seconds)


def hangs_from(at: float, seconds: float = 0.02) -> Receiver:
    """Answers well until a time, and never after it."""
    return lambda now: Answer(seconds) if now < at else HANGS


def spaced(every: float, retry_after: float, seconds: float = 0.02) -> Receiver:
    """Takes a POST once in a while, counted from the last one that it took."""
    last = -math.inf

    def receive(now: float) -> Answer:
        nonlocal last
        if now - last < every:
            return Answer(seconds, retry_after=retry_after)
        last = now
        return Answer(seconds)

    return receive


def windowed(limit: int, window: float, retry_after: float, seconds: float = 0.02) -> Receiver:
    """Takes so many POSTs in each second (or whatever the window) of its clock."""
    counts: dict[int, int] = defaultdict(int)

    def receive(now: float) -> Answer:
        counts[int(now / window)] += 1
        if counts[int(now / window)] > limit:
            return Answer(seconds, retry_after=retry_after)
        return Answer(seconds)

    return receive


def bucket(per_second: float, size: float, retry_after: float, seconds: float = 0.02) -> Receiver:
    """Has tokens, of which each POST that is taken costs one."""
    tokens, at = size, 0.0

    def receive(now: float) -> Answer:
        nonlocal tokens, at
        tokens, at = min(size, tokens + (now - at) * per_second), now
        if tokens < 1:
            return Answer(seconds, retry_after=retry_after)
        tokens -= 1
        return Answer(seconds)

    return receive
