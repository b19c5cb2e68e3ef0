"""Values larger than one property: a table property holds 64 KiB, an entity 1 MiB."""

from collections.abc import Mapping
from typing import Any

CHUNK_BYTES = 64 * 1024


def split(name: str, value: bytes) -> dict[str, bytes]:
    """`{name + "0": …, name + "1": …}`, as many as it takes."""
    starts = range(0, max(len(value), 1), CHUNK_BYTES)
    return {f"{name}{index}": value[start : start + CHUNK_BYTES] for index, start in enumerate(starts)}


def join(name: str, entity: Mapping[str, Any]) -> bytes:
    parts: list[bytes] = []
    while (part := entity.get(f"{name}{len(parts)}")) is not None:
        parts.append(part)
    return b"".join(parts)
