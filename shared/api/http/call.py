"""A request as handlers see it, and their reply."""

import codecs
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import azure.functions as func
from pydantic import BaseModel, ValidationError

from shared.api.http.auth import Caller
from shared.api.http.problem import Problem, bad_request
from shared.app import App
from shared.model import json_text, read_time
from shared.model.nearest import did_you_mean
from shared.model.validation import clauses

SMALL_BODY_BYTES = 64 * 1024
_ZONE_FROM = len("2026-11-22T")
"""Before it, a space in a time stands between day and hour."""
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}

M = TypeVar("M", bound=BaseModel)
W = TypeVar("W", bound=str)


@dataclass(frozen=True)
class Response:
    """`value` becomes the JSON body; `text` is JSON already; `data` is of the `Content-Type` that the headers say; with
    none of them there is no body."""

    status: int
    value: Any = None
    text: str | None = None
    data: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One authorised request."""

    app: App
    raw: func.HttpRequest
    caller: Caller

    def path(self, name: str) -> str:
        return str(self.raw.route_params[name])

    def query(self, name: str) -> str | None:
        value = self.raw.params.get(name)
        return None if value is None else str(value)

    def header(self, name: str) -> str | None:
        value = self.raw.headers.get(name)
        return None if value is None else str(value)

    def matches(self, tag: str) -> bool:
        """Whether `If-Match` names this entity tag, or `*`, which is any (RFC 9110, section 13.1.1). A weak one matches
        none."""
        named = [each.strip() for each in (self.header("if-match") or "").split(",")]
        return "*" in named or tag in named

    def prefers(self, name: str, value: str) -> bool:
        """Whether `Prefer` says so (RFC 7240): its first preference of that name counts."""
        for preference in (self.header("prefer") or "").split(","):
            named, _, said = preference.partition(";")[0].partition("=")
            if named.strip().lower() == name:
                return said.strip().strip('"').lower() == value
        return False

    @property
    def has_body(self) -> bool:
        return bool(self.raw.get_body())

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number from the query."""
        text = self.query(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
            raise bad_request(f"?{name}= must be a whole number from {least} to {most}")
        return int(text)

    def one_of(self, name: str, known: Sequence[W]) -> W | None:
        """A word from the query, of those that are known."""
        text = self.query(name)
        for word in known:
            if text == word:
                return word
        if text is not None:
            raise bad_request(f"?{name}= must be one of {', '.join(known)}{did_you_mean(text, known)}")
        return None

    def time(self, name: str) -> datetime | None:
        """A time from the query; without a zone it is UTC."""
        text = self.query(name)
        if text is None:
            return None
        unescaped = text[:_ZONE_FROM] + text[_ZONE_FROM:].replace(" ", "+")  # a bare + arrives as a space
        try:
            return read_time(unescaped)
        except ValueError:
            raise bad_request(f"?{name}= must be a time such as 2026-11-22T10:00:00Z") from None

    def refuse_body(self) -> None:
        """Of an operation that takes none, and would do the same whatever the body asks for. `{}` asks for nothing, and
        some programs cannot send less."""
        said = b"".join(self.raw.get_body().removeprefix(codecs.BOM_UTF8).split())
        if said not in (b"", b"{}", b"null"):
            raise bad_request("This operation takes no body: what yours asks for would not be done. Leave it out")

    def json(self, most_bytes: int = SMALL_BODY_BYTES) -> tuple[Any, str]:
        """The body's value and its compact text."""
        self._require_json()
        text = self._text(most_bytes)
        try:
            return json_text.parse(text), json_text.compact(text)
        except json_text.JsonError as error:
            raise bad_request(f"The body cannot be read: {error}") from None

    def plain_text(self) -> str | None:
        """The body where it came as `text/plain`, None where it came as something else."""
        self._require_body()
        if self._media_type != "text/plain":
            return None
        return self._text(SMALL_BODY_BYTES)

    def model(self, kind: type[M], most_bytes: int = SMALL_BODY_BYTES) -> M:
        """The body as a model."""
        value, _ = self.json(most_bytes)
        return validated(kind, value)

    @property
    def _media_type(self) -> str:
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    def _text(self, most_bytes: int) -> str:
        body = self.raw.get_body()
        if len(body) > most_bytes:
            raise Problem(413, "too-large", f"The body is {len(body)} bytes; at most {most_bytes} are taken here")
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise bad_request("The body is not UTF-8") from None

    def _require_body(self) -> None:
        coding = (self.header("content-encoding") or "identity").strip().lower()
        if coding != "identity":
            detail = f"Content-Encoding: {coding} is not taken here: send the body as it is, without compression"
            raise Problem(415, "unsupported-media-type", detail)
        if not self.has_body:
            if "chunked" in (self.header("transfer-encoding") or "").lower():
                raise Problem(411, "length-required", "Azure Functions drops chunked bodies: send Content-Length")
            raise bad_request("The body is empty: send JSON, with Content-Length")

    def _require_json(self) -> None:
        self._require_body()
        media_type = self._media_type
        if media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json")):
            return
        raise Problem(415, "unsupported-media-type", "Send the body with Content-Type: application/json")


def validated(kind: type[M], value: Any, where: str = "") -> M:
    """`value` as a model, or a Problem that names every wrong field; `where` precedes each, such as `[3].`"""
    if not isinstance(value, dict):
        raise bad_request(f"{where.rstrip('.') or 'The body'} must be a JSON object")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise invalid([where + clause for clause in clauses(error, kind, value)]) from None


def invalid(errors: list[str]) -> Problem:
    """A Problem for wrong fields, each said as a clause."""
    return bad_request("; ".join(errors[:20]), errors=errors)


def respond(response: Response) -> func.HttpResponse:
    headers = {**SECURITY_HEADERS, **response.headers}
    body = response.text
    if body is None and response.value is not None:
        body = json.dumps(response.value, ensure_ascii=False, separators=(",", ":"))
    mimetype = headers.pop("Content-Type", "application/json")
    if response.data is not None:
        return func.HttpResponse(
            response.data, status_code=response.status, headers=headers, mimetype=mimetype, charset="utf-8"
        )
    if body is None:
        return func.HttpResponse(status_code=response.status, headers=headers)
    return func.HttpResponse(
        body.encode(), status_code=response.status, headers=headers, mimetype=mimetype, charset="utf-8"
    )
