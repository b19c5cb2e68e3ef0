"""The headers by which a delivery proves itself to its receiver."""

import base64
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from shared.model import Auth, Endpoint
from shared.model.audiences import TokenRules, token_problem
from shared.model.clouds import CLOUDS
from shared.model.delivery import Unsendable
from shared.model.mailboxes import Mailboxes
from shared.settings import Settings

SIGNED_AND_AUTHORISED = (
    "the URL has a sig parameter, and Logic Apps and Power Automate refuse a request that carries both it and an "
    "Authorization header: take sig out of the URL, or the authentication off the endpoint"
)


def token_rules(settings: Settings) -> TokenRules:
    """With which deliveries a token of the app's identity may go."""
    mailboxes = Mailboxes(settings.mail_senders, settings.graph_url, CLOUDS[settings.entra_cloud].graph_url)
    return TokenRules(settings.allowed_token_audiences, mailboxes)


def sends_authorization(auth: Auth) -> bool:
    return auth.type in ("basic", "entra") or any(name.lower() == "authorization" for name in auth.headers)


def is_signed(url: str) -> bool:
    """Whether the URL carries the signature of a Logic App or flow."""
    return any(name.lower() == "sig" for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True))


def conflict_of(endpoint: Endpoint) -> str | None:
    """Why the endpoint's URL and authentication cannot go together, or None."""
    auth = endpoint.auth
    if auth is not None and sends_authorization(auth) and is_signed(endpoint.url):
        return SIGNED_AND_AUTHORISED
    return None


def basic(username: str, password: str) -> str:
    """The value of `Authorization` (RFC 7617, in UTF-8)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def auth_values(auth: Auth | None, sent: Mapping[str, str]) -> tuple[str, ...]:
    """What proves deliveries and must be shown to nobody. `sent` are the headers of one of them, a token among them."""
    if auth is None:
        return ()
    authorization = [value for name, value in sent.items() if name.lower() == "authorization"]
    given = [*auth.headers.values(), auth.username, auth.password, *authorization]
    return tuple(dict.fromkeys(value for value in given if value))


def wanted_audience(endpoint: Endpoint, auth: Auth, wire_format: str, rules: TokenRules) -> str | None:
    """For what a token goes with a body of this wire format, None where none does. Raises Unsendable where the
    endpoint's `auth` must not be used; what registration refuses is refused here too, since settings and versions
    change."""
    conflict = conflict_of(endpoint)
    if conflict is not None:
        raise Unsendable(conflict)
    if auth.type != "entra":
        return None
    problem = token_problem(endpoint, auth.audience, wire_format, rules)
    if problem is not None:
        raise Unsendable(f"the audience {auth.audience} {problem}")
    return auth.audience


def auth_headers(auth: Auth, token: str | None) -> dict[str, str]:
    """The headers of an endpoint's `auth`, with the token of its `wanted_audience`. Raises Unsendable."""
    match auth.type:
        case "headers":
            return auth.headers
        case "basic":
            return {**auth.headers, "Authorization": basic(auth.username, auth.password)}
        case "entra":
            return {**auth.headers, "Authorization": f"Bearer {token}"}
    raise Unsendable(f"the authentication {auth.type!r} is not known to this version")
