"""Values larger than one property."""

from hypothesis import given
from hypothesis import strategies as st

from shared.storage.chunks import CHUNK_BYTES, join, split


@given(st.binary(max_size=20), st.integers(0, 4), st.integers(-2, 2))
def test_what_is_split_is_joined_again_and_no_part_is_too_large(seed: bytes, whole: int, more: int) -> None:
    value = (seed or b"x") * ((whole * CHUNK_BYTES) // max(len(seed), 1) + more) if whole or more > 0 else seed
    parts = split("Row", value)
    assert join("Row", parts) == value
    assert all(len(part) <= CHUNK_BYTES for part in parts.values())
    assert list(parts) == [f"Row{number}" for number in range(len(parts))]


def test_the_empty_value_takes_a_part_too() -> None:
    assert split("Row", b"") == {"Row0": b""}
    assert join("Row", {"Row0": b""}) == b""


def test_other_properties_are_left_alone() -> None:
    assert join("Row", {"PartitionKey": "x", "Row1": b"b", "Row0": b"a", "RowKey": "y"}) == b"ab"
