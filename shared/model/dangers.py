"""Settings that are for a developer's machine alone."""


def dangers(allow_private_endpoints: bool, trusted_local_issuer: str) -> dict[str, str]:
    """The dangerous settings that are on, by name, each with what it means."""
    found = {}
    if allow_private_endpoints:
        found["DANGEROUS_ALLOW_PRIVATE_ENDPOINTS"] = "deliveries may go to private addresses and over http"
    if trusted_local_issuer:
        found["DANGEROUS_TRUST_LOCAL_ISSUER"] = "whoever holds the local issuer's key may call this API"
    return found


def require_none_on_azure(found: dict[str, str], instance: str) -> None:
    """Raises ValueError where one is on and `instance`, which Azure gives each instance of an app, is named."""
    if instance and found:
        raise ValueError(
            f"{' and '.join(found)}: only for a developer's machine, and this is Azure (WEBSITE_INSTANCE_ID is set). "
            "Delete the app setting"
        )
