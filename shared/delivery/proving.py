"""The headers by which a delivery proves itself to its receiver."""

from shared.app import App
from shared.delivery.audiences import audience_problem
from shared.delivery.authentication import basic, conflict_of
from shared.delivery.unsendable import Unsendable
from shared.model import Auth, Endpoint


def proof(app: App, endpoint: Endpoint, auth: Auth) -> dict[str, str]:
    """The headers of an endpoint's `auth`. Raises Unsendable where it cannot or must not be used; what registration
    refuses is refused here too, since settings and versions change."""
    conflict = conflict_of(endpoint)
    if conflict is not None:
        raise Unsendable(conflict)
    match auth.type:
        case "headers":
            return auth.headers
        case "basic":
            return {**auth.headers, "Authorization": basic(auth.username, auth.password)}
        case "entra":
            problem = audience_problem(auth.audience, app.settings.allowed_token_audiences)
            if problem is not None:
                raise Unsendable(f"the audience {auth.audience} {problem}")
            return {**auth.headers, "Authorization": f"Bearer {app.tokens.get(auth.audience)}"}
    raise Unsendable(f"the authentication {auth.type!r} is not known to this version")
