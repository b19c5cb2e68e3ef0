"""CloudEvents' "Abuse Protection" (https://github.com/cloudevents/spec, `http-webhook.md`, section 4): at registration
a receiver is asked whether it wants these requests. Its `WebHook-Allowed-Rate` is not kept to, and
`WebHook-Request-Callback` is not sent: consent that comes later is a registration that is sent again."""

from dataclasses import dataclass

from shared.admin.reachability import GATE, WITHIN, Busy
from shared.app import App
from shared.delivery.schedule import is_success
from shared.formats import FORMATS
from shared.formats.rendering import settings_of
from shared.model import Auth, Endpoint
from shared.model.delivery import Unsendable
from shared.outbound.client import NoResponse
from shared.outbound.credentials import auth_headers, token_rules, wanted_audience
from shared.storage.rows import Rejected


@dataclass(frozen=True)
class NotConsented(Rejected):
    """The receiver does not want these requests."""

    reason: str


def consent_problem(
    app: App, before: Endpoint | None, after: Endpoint, *, for_admin: bool
) -> NotConsented | Busy | None:
    """Asks the receiver for its consent where the wire format wants that and it has not given it; returns why it has
    not consented, and what it must answer, or None. `before` is the endpoint as it is, None where it is new. What the
    receiver did is told to admins alone."""
    origin = _origin(app, after)
    if origin is None or (before is not None and _origin(app, before) == origin):
        return None
    try:
        headers = {} if after.auth is None else _headers(app, after, after.auth)
    except Unsendable as reason:
        return NotConsented(f"the receiver could not be asked for its consent: {reason}")
    with GATE.passed() as passed:
        if not passed:
            return Busy()
        asking = app.client.options(after.url, {**headers, "WebHook-Request-Origin": origin}, WITHIN)
        answer = app.background.run(asking)
    allowed = "" if isinstance(answer, NoResponse) else (answer.allowed_origin or "").strip()
    if not isinstance(answer, NoResponse) and is_success(answer.status) and allowed.lower() in ("*", origin.lower()):
        return None
    wanted = (
        f"the receiver has not consented: to OPTIONS with 'WebHook-Request-Origin: {origin}' it must answer 200 with "
        f"'WebHook-Allowed-Origin: {origin}' or '*', within {WITHIN.seconds} s"
    )
    if not for_admin:
        return NotConsented(wanted)
    if isinstance(answer, NoResponse):
        return NotConsented(f"{wanted}; it did not answer: {answer.error}")
    given = "another origin" if allowed else "none"
    return NotConsented(f"{wanted}; it answered {answer.status} with {given}")


def _origin(app: App, endpoint: Endpoint) -> str | None:
    """The origin for which the endpoint's receiver must consent; None where it is not asked, or where the settings do
    not say so, because they fit another version."""
    known = FORMATS.get(endpoint.format)
    if known is None or known.consent is None:
        return None
    try:
        return known.consent(settings_of(endpoint, endpoint.format), app.settings.host_name)
    except Unsendable:
        return None


def _headers(app: App, endpoint: Endpoint, auth: Auth) -> dict[str, str]:
    audience = wanted_audience(endpoint, auth, endpoint.format, token_rules(app.settings))
    return auth_headers(auth, None if audience is None else app.tokens.get(audience))
