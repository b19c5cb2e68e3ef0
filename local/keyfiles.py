"""The keys of this clone, in files of .local/: made once, and then the same for every start."""

import base64
import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from local.problem import Problem


def secrets_key(state: Path) -> str:
    """The key for SECRETS_KEY, made on the first call: what one start encrypts, the next must read."""
    path = state / "secrets.key"
    make_once(path, lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)))
    return path.read_text(encoding="ascii").strip()


def issuer_key_file(state: Path) -> Path:
    """Where the local token issuer keeps its signing key."""
    return state / "issuer.pem"


def require_issuer_key(state: Path) -> None:
    """Raises Problem while no issuer has ever run here."""
    if not issuer_key_file(state).exists():
        raise Problem("There is no token issuer yet, so no app would accept a token. Run `python3 dev.py start` first.")


def make_once(path: Path, content: Callable[[], bytes]) -> None:
    """Write `content()` to `path`, for its owner's eyes only, unless the file exists; of two at once, one wins.

    The content is written under another name first, so that no reader ever meets half of it.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
