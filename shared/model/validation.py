"""What pydantic says of a wrong value, as clauses in plain words."""

from typing import Any

_PLAINER = {
    "Field required": "is required",
    "Extra inputs are not permitted": "is not known here",
    "Unable to extract tag using discriminator 'type'": "must be an object that says its type",
}


def describe(line: Any, *where: str) -> str:
    """One pydantic error as a clause: the field's path, then what is wrong with it."""
    path = ".".join([*where, *(str(part) for part in line["loc"])])
    message = line["msg"].removeprefix("Value error, ")
    message = _PLAINER.get(message, message[:1].lower() + message[1:])
    return f"{path}: {message}" if path else message
