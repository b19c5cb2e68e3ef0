"""CloudEvents' "Abuse Protection" (https://github.com/cloudevents/spec, `http-webhook.md`, section 4): at registration
a receiver is asked whether it wants these requests. Its `WebHook-Allowed-Rate` is not kept to, and
`WebHook-Request-Callback` is not sent: consent that comes later is a registration that is sent again."""

from datetime import timedelta

from shared.app import App
from shared.delivery.schedule import is_success
from shared.formats import FORMATS
from shared.formats.rendering import settings_of
from shared.model import Auth, Endpoint
from shared.model.delivery import Unsendable
from shared.outbound.client import NoResponse
from shared.outbound.credentials import auth_headers

_WITHIN = timedelta(seconds=10)


def consent_problem(app: App, before: Endpoint | None, after: Endpoint) -> str | None:
    """Asks the receiver for its consent where the wire format wants that and it has not given it; returns why it has
    not consented, and what it must answer, or None. `before` is the endpoint as it is, None where it is new."""
    origin = _origin(app, after)
    if origin is None or (before is not None and _origin(app, before) == origin):
        return None
    try:
        headers = {} if after.auth is None else _headers(app, after, after.auth)
    except Unsendable as reason:
        return f"the receiver could not be asked for its consent: {reason}"
    asked = app.client.options(after.url, {**headers, "WebHook-Request-Origin": origin}, _WITHIN)
    answer = app.background.run(asked)
    if isinstance(answer, NoResponse):
        return f"the receiver was asked for its consent (OPTIONS) and did not answer: {answer.error}"
    allowed = (answer.allowed_origin or "").strip()
    if is_success(answer.status) and allowed.lower() in ("*", origin.lower()):
        return None
    given = "another origin" if allowed else "none"
    return (
        f"the receiver has not consented: to OPTIONS with 'WebHook-Request-Origin: {origin}' it must answer 200 with "
        f"'WebHook-Allowed-Origin: {origin}' or '*'; it answered {answer.status} with {given}"
    )


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
    return auth_headers(endpoint, auth, app.tokens, app.settings.allowed_token_audiences)
