"""What is wrong with a value, as clauses in words for whoever sent it: `types: must be a list`.

Pydantic's own texts are for programmers of Python ("input should be a valid tuple"), and its paths name members of
unions that are not in the value.
"""

import json
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.alias_generators import to_snake
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from shared.model.nearest import did_you_mean

_TIME = "must be a time such as 2026-11-22T10:00:00Z"
_LIST, _OBJECT = "must be a list", "must be an object"
_SAID = {
    "missing": "is required",
    "none_required": "must be null or absent",
    "string_type": "must be text",
    "string_unicode": "must be text in UTF-8",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _OBJECT,
    "mapping_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "unexpected_keyword_argument": "is not known here",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "timezone_aware": "must be a time with its zone, such as 2026-11-22T10:00:00Z",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "union_tag_not_found": "must be an object that says its type",
    "json_invalid": "is not JSON",
    "json_type": "is not JSON",
}
"""By pydantic's error type; names in braces are of its context."""
_EMPTY = {"string_too_short", "too_short"}


@dataclass(frozen=True)
class Shaped:
    """Text of a form: `pattern` for programs that read the published schema, `words` ("must be …") for people."""

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^{self.pattern}$"}

    def _check(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(self.words)
        return text


def clauses(error: ValidationError, kind: Any, given: Any, *where: str) -> list[str]:
    """Each wrong field of `given`, or of the JSON that it is the text of, which was to be a `kind` (a model, or a union
    of models): its path, after `where`, and what is wrong with it. Values are not shown."""
    value = _read(given) if isinstance(given, str | bytes) else given
    found: dict[str, list[str]] = {}
    for line in error.errors(include_url=False):
        if _follows(line):
            continue
        path = ".".join([*where, *map(str, _path(line["loc"], value, line["type"]))])
        words = words_of(line, kind)
        if words not in found.setdefault(path, []):
            found[path].append(words)
    return [f"{path}: {', or '.join(words)}" if path else ", or ".join(words) for path, words in found.items()]


def _follows(line: Any) -> bool:
    """Whether it is only told because of others: pydantic counts the entries that are right."""
    return bool(line["type"] == "too_short" and len(line["input"]) >= line["ctx"]["min_length"])


def _read(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or brackets without end
        return None


def words_of(line: Any, kind: Any) -> str:
    """What is wrong with one field, of pydantic's line about it."""
    name, context = line["type"], line.get("ctx", {})
    if name == "value_error":
        return str(context["error"])
    if name == "union_tag_invalid":
        return f"type {_one_of(context['expected_tags'], context['tag'])}"
    if name == "literal_error":
        return _one_of(context["expected"], line["input"])
    if name == "extra_forbidden":
        return f"is not known here{did_you_mean(str(line['loc'][-1]), _names(kind, line['loc'][:-1]))}"
    if name in _EMPTY and context.get("min_length") == 1:
        return "must not be empty"
    return _SAID.get(name, "is not taken here").format_map({key: _plain(value) for key, value in context.items()})


def _one_of(expected: str, given: Any) -> str:
    names = re.findall(r"'([^']*)'", expected) or re.split(", | or ", expected)
    return f"must be {'one of ' if len(names) > 1 else ''}{', '.join(names)}" + (
        did_you_mean(given, names) if isinstance(given, str) else ""
    )


def _plain(value: Any) -> Any:
    return f"{value:.15g}" if isinstance(value, float) else str(value).replace("'", "")


def _path(loc: tuple[int | str, ...], given: Any, name: str) -> Iterator[int | str]:
    """The parts of a path that are in the value. Others name a member of a union, or that a key is meant."""
    here = given
    for at, part in enumerate(loc):
        key = next((each for each in (part, to_snake(str(part))) if isinstance(here, Mapping) and each in here), None)
        if key is not None:
            here = here[key]
            yield part
        elif isinstance(part, int) and isinstance(here, list | tuple) and part < len(here):
            here = here[part]
            yield part
        elif at == len(loc) - 1 and name == "missing":
            yield part


def _names(kind: Any, loc: tuple[int | str, ...]) -> list[str]:
    """The members that an object at this place may have."""
    models = list(_models(kind))
    for part in loc:
        inner = [
            model
            for outer in models
            for name, field in outer.model_fields.items()
            if part in (name, field.alias)
            for model in _models(field.annotation)
        ]
        models = inner or models
    return list(dict.fromkeys(field.alias or name for model in models for name, field in model.model_fields.items()))


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in typing.get_args(kind):
        yield from _models(inner)
