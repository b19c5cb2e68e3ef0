"""How deliveries prove themselves to a receiver: what an admin may ask for, and the headers that it makes. Pure."""

import re
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field, StringConstraints

from shared.model import Auth, Model

MOST_HEADERS = 20
MOST_HEADER_BYTES = 8 * 1024
"""The most that all names and values together may take: what most servers allow for a whole request's head."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
"""A token (RFC 9110, section 5.6.2)."""

_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
"""Printable ASCII without space around it: what RFC 9110 (section 5.5) lets pass everywhere."""

_RESERVED = {
    *("host", "content-length", "content-type", "content-encoding", "content-range", "date", "expect"),
    *("user-agent", "accept-encoding", "signature", "algorithm", "traceparent", "tracestate"),
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
    *("te", "trailer", "transfer-encoding", "upgrade", "http2-settings"),
}
"""Names that the app sets itself, or that belong to the connection (RFC 9110, section 7.6.1)."""
_RESERVED_PREFIXES = ("webhook-", ":")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not contain control characters")
    return text


def _checked_headers(headers: dict[str, str]) -> dict[str, str]:
    """Names are shown in errors; values never."""
    if len(headers) > MOST_HEADERS:
        raise ValueError(f"at most {MOST_HEADERS} headers can be sent")
    for name, value in headers.items():
        problem = header_problem(name, value)
        if problem:
            raise ValueError(problem)
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a header is given twice: the case of names does not count")
    if sum(len(name) + len(value) for name, value in headers.items()) > MOST_HEADER_BYTES:
        raise ValueError(f"names and values have more than {MOST_HEADER_BYTES} bytes together")
    return headers


def header_problem(name: str, value: str) -> str | None:
    """Why this header cannot be sent, or None."""
    if not _NAME.fullmatch(name):
        return "a header's name must be 1 to 100 letters, digits or hyphens, such as X-Api-Key"
    if name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES):
        return f"the header {name} is set by the app or belongs to the connection: it cannot be chosen"
    if not _VALUE.fullmatch(value):
        return f"the value of {name} must be printable ASCII, without space at its ends"
    return None


Headers = Annotated[dict[str, str], AfterValidator(_checked_headers)]


def _no_authorization(headers: dict[str, str]) -> dict[str, str]:
    if any(name.lower() == "authorization" for name in headers):
        raise ValueError("this type sets Authorization itself")
    return headers


MoreHeaders = Annotated[Headers, AfterValidator(_no_authorization)]


def _no_colon(text: str) -> str:
    """RFC 7617, section 2: the first colon ends the user name."""
    if ":" in text:
        raise ValueError("must not contain a colon")
    return text


Words = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_printable)]


class NoAuth(Model):
    """Takes the authentication off an endpoint."""

    type: Literal["none"]


class HeadersAuth(Model):
    type: Literal["headers"]
    headers: Annotated[Headers, Field(min_length=1)]


class BasicAuth(Model):
    """`headers` go with it: ConnectWise wants a `clientId` beside it, for one."""

    type: Literal["basic"]
    username: Annotated[Words, AfterValidator(_no_colon)]
    password: Annotated[Words, Field(json_schema_extra={"format": "password", "writeOnly": True})]
    headers: MoreHeaders = Field(default_factory=dict)


class EntraAuth(Model):
    """A token of the app's managed identity; the audience is checked where the settings are known."""

    type: Literal["entra"]
    audience: Annotated[str, Field(max_length=250)]
    headers: MoreHeaders = Field(default_factory=dict)


AuthBody = Annotated[NoAuth | HeadersAuth | BasicAuth | EntraAuth, Field(discriminator="type")]
"""What a request may say of an endpoint's `auth`."""

_KINDS: dict[str, type[Model]] = {"headers": HeadersAuth, "basic": BasicAuth, "entra": EntraAuth}


def stored_auth(body: NoAuth | HeadersAuth | BasicAuth | EntraAuth) -> Auth | None:
    return None if isinstance(body, NoAuth) else Auth.model_validate(body.model_dump())


def patched_auth(auth: Auth | None, patch: dict[str, Any]) -> dict[str, Any]:
    """A merge patch (RFC 7396) of an endpoint's auth, to be checked as an AuthBody. One that names another type
    replaces it whole: nothing of the old type would fit."""
    if auth is None or patch.get("type", auth.type) != auth.type:
        return patch
    kind = _KINDS.get(auth.type)
    known = auth.model_dump(include=set(kind.model_fields)) if kind else {}  # an empty password is one, too
    return cast(dict[str, Any], merge_patch(known, patch))


def merge_patch(known: Any, patch: Any) -> Any:
    """RFC 7396, section 2. Neither value is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(known) if isinstance(known, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
