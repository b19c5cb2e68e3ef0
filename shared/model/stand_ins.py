"""Which services of Microsoft 365 the app may ask: Microsoft's own, or a stand-in on this machine with a token of its
own. The managed identity's tokens go nowhere else."""

from collections.abc import Callable

from shared.model.web_address import taken_apart


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine."""
    return host in ("127.0.0.1", "localhost", "::1")


def service_url(url: str, is_microsofts: Callable[[str], bool], named: str) -> str:
    """The URL without a slash at its end; empty stays empty. `named` is the service in words. Raises ValueError."""
    bare, parts = url.rstrip("/"), taken_apart(url)
    local = parts.scheme in ("http", "https") and is_loopback(parts.hostname or "") and "@" not in parts.netloc
    if bare and not is_microsofts(bare) and not (local and bare == f"{parts.scheme}://{parts.netloc}"):
        raise ValueError(
            f"must be {named}, or a stand-in on this machine such as http://127.0.0.1:7090: the app's token goes "
            "nowhere else"
        )
    return bare


def require_fitting_token(prefix: str, named: str, base_url: str, token: str) -> None:
    """A stand-in takes the token in the settings, the service itself only the managed identity's. `prefix` begins the
    names of both settings. Raises ValueError."""
    local = is_loopback(taken_apart(base_url).hostname or "")
    if token and not local:
        raise ValueError(
            f"{prefix}_ACCESS_TOKEN: only for a stand-in of {named} on this machine ({prefix}_BASE_URL such as "
            "http://127.0.0.1:7090); remove it, and the managed identity is asked"
        )
    if local and not token:
        raise ValueError(f"{prefix}_ACCESS_TOKEN: give the one that the stand-in named by {prefix}_BASE_URL prints")
