"""What can be registered and is probably a mistake: the one who registers is told, and the registration stands."""

from shared.formats import FORMATS
from shared.formats.rendering import settings_of
from shared.model import Endpoint
from shared.model.delivery import Unsendable
from shared.model.site_patterns import can_match_a_url
from shared.outbound.addresses import Unresolved


def likely_mistakes(endpoint: Endpoint, unresolved: Unresolved | None = None) -> list[str]:
    """Of an endpoint as it was registered, each a clause that begins with the field."""
    found = []
    if unresolved is not None:
        found.append(
            f"endpoint: the name {unresolved.host} does not resolve now, and deliveries fail until it does: if it is "
            "misspelt, register the right URL and delete this endpoint"
        )
    of_format = FORMATS[endpoint.format].mistakes
    if of_format is not None:
        found += of_format(endpoint.url, endpoint.auth)
    if endpoint.auth is None and _needs_auth(endpoint) and not any(each.startswith("auth:") for each in found):
        found.append(
            f"auth: receivers of {endpoint.format} ask who calls: without it they are likely to answer 401; give auth, "
            "unless the URL itself is the secret"
        )
    if not all(map(can_match_a_url, endpoint.sites)):
        found.append(
            "sites: a pattern matches no site of SharePoint, since it begins neither with https:// nor with *, or "
            "holds a space or an empty set: write the whole URL, or * in front"
        )
    return found


def _needs_auth(endpoint: Endpoint) -> bool:
    needs_auth = FORMATS[endpoint.format].needs_auth
    try:
        return needs_auth is not None and needs_auth(settings_of(endpoint, endpoint.format))
    except Unsendable:  # settings of another version, which were not changed now
        return False
