"""Query parameters that an operation does not read are refused: ignored, they would narrow nothing."""

from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from shared.api.http.operation import Operation
from shared.api.http.problem import bad_request
from shared.model.nearest import did_you_mean

_SHOWN_CHARACTERS = 60


def check_query(raw: func.HttpRequest, operation: Operation) -> None:
    """Raises Problem 400 for a parameter that the operation does not know, in another case too, or that is empty.

    The host hands over no empty ones, so they are read from the URL.
    """
    known = [str(each["name"]) for each in operation.parameters if each["in"] == "query"]
    given = dict(parse_qsl(urlsplit(str(raw.url)).query, keep_blank_values=True))
    for name, value in {**given, **raw.params}.items():
        if name not in known:
            here = f"here (this operation takes {', '.join(known) or 'no query'})"
            raise bad_request(f"?{name[:_SHOWN_CHARACTERS]}= is not known {here}{did_you_mean(name, known)}")
        if not value:
            raise bad_request(f"?{name}= is empty: give it a value, or leave it out")
