"""The managed identity as which the app calls Azure and Microsoft 365."""

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.identity import ManagedIdentityCredential
    from azure.identity.aio import ManagedIdentityCredential as AsyncManagedIdentityCredential


class NoToken(Exception):
    """The identity gives no token; the text names the failure's type alone, since its message may hold addresses."""


@functools.cache
def managed_identity(client_id: str) -> "ManagedIdentityCredential":
    """The user-assigned identity with this client id, or with an empty one the app's own. One for a process: it keeps
    the tokens that it was given."""
    from azure.identity import ManagedIdentityCredential  # half a second to import, and not needed on Azurite

    return ManagedIdentityCredential(client_id=client_id or None, connection_timeout=5, read_timeout=10)


def managed_identity_on_loop(client_id: str) -> "AsyncManagedIdentityCredential":
    """The same identity for clients of one event loop; to be closed on that loop."""
    from azure.identity.aio import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=client_id or None, connection_timeout=5, read_timeout=10)


def get_token(client_id: str, scope: str) -> str:
    """A bearer token of the identity for a scope such as `https://graph.microsoft.com/.default`. Raises NoToken."""
    from azure.core.exceptions import AzureError

    try:
        return str(managed_identity(client_id).get_token(scope).token)
    except AzureError as error:
        raise NoToken(type(error).__name__) from None
