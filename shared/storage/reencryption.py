"""Re-encryption: what is stored under an older key of SECRETS_KEY, or by a version that did not bind it to its place,
written anew."""

from shared import logs
from shared.storage.endpoints import Endpoints
from shared.storage.signature_keys import Options


def reencrypt(endpoints: Endpoints, options: Options) -> int:
    """Rewrites endpoints and signature keys that are not under the first key; returns how many. Once it returns 0, the
    older keys can be taken out of the list."""
    rewritten = endpoints.reencrypt() + options.reencrypt()
    logs.info("secrets.reencrypted", rows=rewritten)
    return rewritten
