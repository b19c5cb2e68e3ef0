"""An address in a setting, taken apart. Pure."""

import re
from urllib.parse import SplitResult, urlsplit

_NONE = urlsplit("")


def taken_apart(text: str) -> SplitResult:
    """The parts of a web address. Where the text is none, its host or its port cannot be one, all of them are empty:
    Python's own errors are for programmers of Python."""
    try:
        parts = urlsplit(text)
        well_formed = parts.port != 0 and re.fullmatch(r"[!-~]*", text)
    except ValueError:
        return _NONE
    return parts if well_formed else _NONE
