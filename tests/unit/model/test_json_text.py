"""JSON is taken strictly, and cut out without changing a byte of its values."""

import json
import time
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.memory import traced_peak
from shared.model.json_text import MAX_DEPTH, JsonError, compact, elements, joined, members, parse, quoted


class Text(NamedTuple):
    """The same JSON value, written with and without white space between its tokens."""

    spaced: str
    tight: str


spaces = st.text(alphabet=" \t\r\n", max_size=3)
numbers = st.from_regex(r"\A-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?\Z")
strings = st.builds(json.dumps, st.text(max_size=8), ensure_ascii=st.booleans())
scalars = st.one_of(
    numbers, strings, st.sampled_from(["true", "false", "null", r'"\u00e9\/\ud83d\ude00"', '"a \\" b"'])
)
keys = st.builds(quoted, st.text(max_size=5))


def _array(parts: list[Text], space: str) -> Text:
    spaced = f"{space},{space}".join(part.spaced for part in parts)
    return Text(f"[{space}{spaced}{space}]", f"[{','.join(part.tight for part in parts)}]")


def _object(parts: dict[str, Text], space: str) -> Text:
    spaced = f"{space},{space}".join(f"{name}{space}:{space}{part.spaced}" for name, part in parts.items())
    tight = ",".join(f"{name}:{part.tight}" for name, part in parts.items())
    return Text(f"{{{space}{spaced}{space}}}", f"{{{tight}}}")


values: st.SearchStrategy[Text] = st.deferred(
    lambda: st.one_of(
        scalars.map(lambda text: Text(text, text)),
        st.builds(_array, st.lists(values, max_size=4), spaces),
        st.builds(_object, st.dictionaries(keys, values, max_size=4), spaces),
    )
)


@given(values)
def test_compact_takes_the_white_space_between_tokens_and_nothing_else(value: Text) -> None:
    assert compact(value.spaced) == value.tight
    assert compact(value.tight) == value.tight


@given(values)
def test_compact_text_means_the_same(value: Text) -> None:
    assert parse(compact(value.spaced)) == parse(value.spaced) == json.loads(value.spaced)


@given(st.dictionaries(keys, values, max_size=5))
def test_members_are_the_very_bytes_that_were_received(parts: dict[str, Text]) -> None:
    expected = {json.loads(name): part.tight for name, part in parts.items()}
    text = _object(parts, "").tight
    assert members(text) == expected
    assert joined(members(text)) == text


@given(st.lists(values, max_size=5))
def test_elements_are_the_very_bytes_that_were_received(parts: list[Text]) -> None:
    assert elements(_array(parts, "").tight) == [part.tight for part in parts]


def test_a_publishers_way_of_writing_numbers_and_escapes_survives() -> None:
    text = r'{"a":1.10,"b":1e3,"c":"\u00e9\/","d":-0,"e":123456789012345678901234567890,"a b":[1, 2.50]}'
    assert members(compact(text)) == {
        "a": "1.10",
        "b": "1e3",
        "c": r'"\u00e9\/"',
        "d": "-0",
        "e": "123456789012345678901234567890",
        "a b": "[1,2.50]",
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{'a':1}", "not JSON"),
        ('{"a":1,}', "not JSON"),
        ('{"a":1} x', "not JSON"),
        ("\ufeff{}", "not JSON"),
        ('{"a":01}', "not JSON"),
        ('"a\nb"', "not JSON"),
        ("NaN", "NaN is not a JSON number"),
        ('{"a":[Infinity]}', "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e400", "out of range"),
        ("-1e400", "out of range"),
        ("9" * 400, "out of range"),
        ("9" * 10_000, "out of range"),
        ("1" + "0" * 309, "out of range"),
        ('{"a":1,"a":1}', '"a" is given twice'),
        ('[{"b":{"c":1,"d":2,"c":3}}]', '"c" is given twice'),
        (r'{"a":1,"\u0061":1}', '"a" is given twice'),
        ('{"é":1,"é":1}', '"é" is given twice'),
        (r'"\ud800"', "surrogate"),
        (r'{"\udfff":1}', "surrogate"),
        (r'["é \ude00\ud83d"]', "surrogate"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper"),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), "nested deeper"),
        ("[" * 200_000, "nested deeper"),
    ],
)
def test_what_receivers_could_read_differently_is_refused(text: str, why: str) -> None:
    with pytest.raises(JsonError, match=why):
        parse(text)


def test_one_name_given_twice_among_thousands_is_found_at_once() -> None:
    """Each name was counted among all the others: seconds of the processor for one request of 200 KB."""
    names = [f'"{number:05}":1' for number in range(20_000)]
    text = "{" + ",".join([*names, names[-1]]) + "}"
    began = time.monotonic()
    with pytest.raises(JsonError, match='"19999" is given twice'):
        parse(text)
    assert time.monotonic() - began < 1


def test_depth_up_to_the_limit_and_paired_surrogates_are_taken() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert parse(r'"\ud83d\ude00"') == "\U0001f600"


def test_an_error_says_where() -> None:
    with pytest.raises(JsonError, match="line 2, column 6"):
        parse('{\n"a": x}')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a value is missing, or is none that JSON has (line 1, column 1)"),
        ('{"a":tru}', "a value is missing, or is none that JSON has (line 1, column 6)"),
        ("{'a':1}", "a member's name in double quotes is missing (line 1, column 2)"),
        ('{"a" 1}', "a colon is missing behind a member's name (line 1, column 6)"),
        ('{"a":01}', "a comma, or the end of an object or array, is missing (line 1, column 7)"),
        ('{"a":1} x', "something stands behind the value (line 1, column 9)"),
        ('{"a":"b', "a string begins that does not end (line 1, column 6)"),
        ('"a\nb"', r"a string holds a line end or another control character: escape it, as in \n (line 1, column 3)"),
        (r'"\x41"', "a string holds a backslash that begins no escape: write two of them (line 1, column 2)"),
        (r'"\u12"', r"a string holds \u without four hexadecimal digits behind it (line 1, column 3)"),
    ],
)
def test_an_error_is_told_in_words(text: str, said: str) -> None:
    """Python's own are for programmers of Python, and stumble: "Invalid control character at at line 1"."""
    with pytest.raises(JsonError) as caught:
        parse(text)
    assert str(caught.value) == f"not JSON: {said}"


def test_a_comma_too_many_is_told_as_this_python_sees_it() -> None:
    for text in ("[1,]", '{"a":1,}'):
        with pytest.raises(JsonError, match=r"not JSON: a (value|member's name|comma) .*\(line 1, column \d\)"):
            parse(text)


def test_every_number_that_a_double_can_be_is_taken() -> None:
    assert parse("1" + "0" * 308) == 10**308
    assert parse("-" + "9" * 308) == 1 - 10**308


@pytest.mark.parametrize(
    "text",
    ['"' + "a" * 2**20 + '"', '"' + "\\n" * 2**19 + '"', "[" + "1 ," * 2**18 + "1]", "[" + '"é" , ' * 2**17 + "1]"],
    ids=["string", "escapes", "spaces", "strings"],
)
def test_compact_takes_little_more_memory_than_the_text(text: str) -> None:
    """A string of 1 MB took 146 MB."""
    size = len(text.encode())
    assert traced_peak(compact, text) < 6 * size
