"""What a request says of an endpoint, and the endpoint that it makes."""

import json
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from shared.admin.consent import origin_of, refusal
from shared.api.endpoint_auth import AuthBody, merge_patch, patched_auth, stored_auth
from shared.api.http.call import invalid
from shared.api.http.problem import bad_request
from shared.app import App
from shared.formats import FORMATS
from shared.formats.rendering import settings_problems, settings_text
from shared.model import Auth, Endpoint, Model, Severity
from shared.model.audiences import audience_problem
from shared.model.catalogue import ASKED_TYPE_SCHEMA, type_problem
from shared.model.validation import describe
from shared.outbound.credentials import conflict_of
from shared.storage.endpoints import Complete

JsonObject = dict[str, Any]
_AUTH: TypeAdapter[Any] = TypeAdapter(AuthBody)


def _known_types(types: tuple[str, ...]) -> tuple[str, ...]:
    problems = [problem for name in types if (problem := type_problem(name))]
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(dict.fromkeys(types))


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}")
    return name


Pattern = Annotated[str, Field(min_length=1, max_length=400)]
TypeName = Annotated[str, Field(max_length=128, json_schema_extra=ASKED_TYPE_SCHEMA)]
Format = Annotated[str, AfterValidator(_known_format), Field(json_schema_extra={"enum": [*FORMATS]})]
Types = Annotated[tuple[TypeName, ...], Field(min_length=1, max_length=100), AfterValidator(_known_types)]


class EndpointFields(Model):
    """What can be said of an endpoint besides its URL and its authentication; null counts as absent."""

    types: Types | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    format: Format | None = None
    settings: Annotated[JsonObject, Field(description="Of the wire format: a project, a board, a template")] | None = (
        None
    )
    min_severity: Severity | None = None
    tenants: Annotated[tuple[Pattern, ...], Field(max_length=100)] | None = None
    sites: Annotated[tuple[Pattern, ...], Field(max_length=100)] | None = None
    enabled: Annotated[bool, Field(strict=True)] | None = None

    def given(self) -> dict[str, Any]:
        """The fields that an endpoint takes as they are."""
        names = EndpointFields.model_fields.keys() - {"settings"}
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


class EndpointChanges(EndpointFields):
    auth: Annotated[JsonObject, Field(description="A merge patch of it; another `type` replaces it whole")] | None = (
        None
    )


class Registration(EndpointFields):
    endpoint: str
    auth: AuthBody | None = None


SettingsChange = Callable[[JsonObject], JsonObject]
AuthChange = Callable[[Auth | None], Auth | None]


def keep(value: Any) -> Any:
    """The change of a field that the request does not have."""
    return value


def settings_given(given: JsonObject | None) -> SettingsChange:
    """A registration's `settings` stand for themselves alone; absent, they stay."""
    return keep if given is None else lambda _: given


def auth_given(body: Any) -> AuthChange:
    """A registration's `auth`, an AuthBody; absent, it stays."""
    return keep if body is None else lambda _: stored_auth(body)


def settings_patch(patch: JsonObject) -> SettingsChange:
    """A patch of the whole endpoint, as its `settings` have it (RFC 7396)."""
    if "settings" not in patch:
        return keep
    return lambda known: {} if patch["settings"] is None else merge_patch(known, patch["settings"])


def auth_patch(patch: JsonObject) -> AuthChange:
    """A patch of the whole endpoint, as its `auth` has it (RFC 7396). The change raises Problem 400."""
    if "auth" not in patch:
        return keep
    if patch["auth"] is None:
        return lambda _: None

    def change(known: Auth | None) -> Auth | None:
        try:
            return stored_auth(_AUTH.validate_python(patched_auth(known, patch["auth"])))
        except ValidationError as error:
            lines = error.errors(include_url=False, include_input=False, include_context=False)
            raise invalid([describe(line, "auth") for line in lines]) from None

    return change


def completing(app: App, settings: SettingsChange = keep, auth: AuthChange = keep) -> Complete:
    """Gives an endpoint the settings and authentication asked for, checks that all of it goes together, and asks a
    receiver for its consent where the format wants that. Raises Problem 400.

    What has not changed is not checked again: an endpoint that no longer fits can still be disabled.
    """

    def complete(before: Endpoint | None, after: Endpoint) -> Endpoint:
        after = _with_settings(before, after, settings)
        after = after.model_copy(update={"auth": auth(after.auth)})
        if before is None or after.auth != before.auth:
            _check_auth(app, after)
        _ask_consent(app, before, after)
        return after

    return complete


def _with_settings(before: Endpoint | None, after: Endpoint, change: SettingsChange) -> Endpoint:
    name = after.format
    known = json.loads(after.settings.get(name, "{}"))
    wanted = change(known)
    text = settings_text(wanted)
    if text != settings_text(known):  # as text: to Python, 1 and true are equal
        others = {other: kept for other, kept in after.settings.items() if other != name}
        after = after.model_copy(update={"settings": others | ({name: text} if wanted else {})})
    if before is None or (before.format, before.settings, before.types) != (name, after.settings, after.types):
        problems = settings_problems(name, wanted, after.types)
        if problems:
            raise invalid(problems)
    return after


def _check_auth(app: App, endpoint: Endpoint) -> None:
    auth = endpoint.auth
    if auth is not None and auth.type == "entra":
        problem = audience_problem(auth.audience, app.settings.allowed_token_audiences)
        if problem:
            raise bad_request(f"auth.audience: {problem}")
    conflict = conflict_of(endpoint)
    if conflict:
        raise bad_request(f"auth: {conflict}")


def _ask_consent(app: App, before: Endpoint | None, after: Endpoint) -> None:
    origin = origin_of(app, after)
    if origin is None:
        return
    if before is not None and origin_of(app, before) == origin:
        return
    reason = refusal(app, after, origin)
    if reason is not None:
        raise bad_request(f"endpoint: {reason}")
