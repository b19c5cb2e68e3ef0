"""What can be registered and is probably a mistake: the one who registers is told, and the registration stands."""

from shared.formats import FORMATS
from shared.formats.rendering import settings_of
from shared.model import Endpoint
from shared.model.delivery import Unsendable
from shared.model.site_patterns import can_match_a_url
from shared.outbound.addresses import Unresolved


def likely_mistakes(endpoint: Endpoint, unresolved: Unresolved | None = None) -> list[str]:
    """Of an endpoint as it was registered or changed, each a clause that begins with the field. Of a wire format that
    only another version of this app has, nothing is known."""
    found = []
    if unresolved is not None:
        found.append(
            f"endpoint: the name {unresolved.host} does not resolve now, and deliveries fail until it does: if it is "
            "misspelt, register the right URL and delete this endpoint"
        )
    found += _of_format(endpoint)
    if not all(map(can_match_a_url, endpoint.sites)):
        found.append(
            "sites: a pattern matches no site of SharePoint, since it begins neither with https:// nor with *, or "
            "holds a space or an empty set: write the whole URL, or * in front"
        )
    return found


def _of_format(endpoint: Endpoint) -> list[str]:
    wire_format = FORMATS.get(endpoint.format)
    if wire_format is None:
        return []
    found = [] if wire_format.mistakes is None else wire_format.mistakes(endpoint.url, endpoint.auth)
    asks = wire_format.needs_auth
    if asks is None or endpoint.auth is not None or any(each.startswith("auth:") for each in found):
        return found
    try:
        return [*found, _without_auth(endpoint.format)] if asks(settings_of(endpoint, endpoint.format)) else found
    except Unsendable:  # settings of another version, which were not changed now
        return found


def _without_auth(wire_format: str) -> str:
    return (
        f"auth: receivers of {wire_format} ask who calls: without it they are likely to answer 401; give auth, unless "
        "the URL itself is the secret"
    )
