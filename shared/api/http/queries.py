"""Query parameters that an operation does not read are refused: ignored, they would narrow nothing. So are those that
are given twice: the host makes one value of both, which is nobody's."""

from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from shared.api.http.operation import Operation
from shared.api.http.problem import bad_request
from shared.model.nearest import did_you_mean

_SHOWN_CHARACTERS = 60
_LISTS = ("types",)
"""Separated by commas. Some programs write a list as one parameter several times: the host puts commas between."""


def check_query(raw: func.HttpRequest, operation: Operation) -> None:
    """Raises Problem 400 for a parameter that the operation does not know, in another case too, or that is empty or
    given twice.

    The host hands over no empty ones, and each once, so they are read from the URL.
    """
    known = [str(each["name"]) for each in operation.parameters if each["in"] == "query"]
    given = parse_qsl(urlsplit(str(raw.url)).query, keep_blank_values=True)
    named, seen = dict(given), set()
    for name, value in [*given, *(each for each in raw.params.items() if each[0] not in named)]:
        if name not in known:
            here = f"here (this operation takes {', '.join(known) or 'no query'})"
            raise bad_request(f"?{name[:_SHOWN_CHARACTERS]}= is not known {here}{did_you_mean(name, known)}")
        if not value:
            raise bad_request(f"?{name}= is empty: give it a value, or leave it out")
        if name in seen and name not in _LISTS:
            raise bad_request(f"?{name}= is given twice: give it once")
        seen.add(name)
