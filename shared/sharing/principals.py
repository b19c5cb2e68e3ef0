"""Who a record names, and whether they are outside the organisation. Pure.

SharePoint writes names as claims (`i:0#.f|membership|adele@contoso.com`), and guests by their user principal name in
Microsoft Entra (`zoe_fabrikam.example#ext#@contoso.onmicrosoft.com`).
"""

import re
from collections.abc import Collection
from typing import NamedTuple

EVERYONE, EVERYONE_INSIDE = "Everyone", "Everyone except external users"
SYSTEM = frozenset({"app@sharepoint", "sharepoint\\system"})
"""Accounts of the service itself, in lower case."""

_GUEST = re.compile(r"(.+)#ext#(@.*)?", re.IGNORECASE | re.DOTALL)
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_OUTSIDE_TYPES = frozenset({"guest", "partner"})


class Principal(NamedTuple):
    """Somebody or something that has got or lost access, as an admin would write the name."""

    name: str
    is_external: bool


def principal_of(name: str, kind: str, domains: Collection[str]) -> Principal | None:
    """Who is meant by a target's name and type; None where the record names nobody. `domains` are the tenant's own, in
    lower case; where they are not known, the collection is empty, and an address alone makes nobody external."""
    claim = name.lower()
    if claim == "c:0(.s|true":
        return Principal(EVERYONE, True)  # guests are part of it
    if "spo-grid-all-users" in claim:
        return Principal(EVERYONE_INSIDE, False)
    bare = without_claim(name)
    if not bare:
        return None
    guest = _GUEST.fullmatch(bare)
    if guest:
        return Principal(_address(guest[1]), True)
    outside = kind.lower() in _OUTSIDE_TYPES or _is_elsewhere(bare, domains)
    return Principal(bare, outside)


def without_claim(name: str) -> str:
    """`i:0#.f|membership|adele@contoso.com` as `adele@contoso.com`."""
    return name.rpartition("|")[2].strip() if re.match(r"[ic]:0", name) else name.strip()


def is_system(name: str) -> bool:
    """Whether it is an account of the service itself."""
    bare = without_claim(name).lower()
    return bare in SYSTEM or bare.startswith("nt service\\")


def is_hidden_group(name: str) -> bool:
    """Whether it is a group that SharePoint makes for a link or for a way to an item: nobody has given it anything."""
    lowered = name.lower()
    return lowered.startswith(("sharinglinks.", "limited access system group")) or bool(_HEX.fullmatch(name))


def _address(part: str) -> str:
    """`zoe_fabrikam.example` as `zoe@fabrikam.example`: a domain holds no underscore, so the last one was the sign."""
    local, underscore, domain = part.rpartition("_")
    return f"{local}@{domain}" if underscore and local and domain else part


def _is_elsewhere(name: str, domains: Collection[str]) -> bool:
    """Whether it is an address in a domain that is neither one of `domains` nor below one."""
    local, at, domain = name.rpartition("@")
    if not (at and local and domains):
        return False
    labels = domain.lower().rstrip(".").split(".")
    return not any(".".join(labels[start:]) in domains for start in range(len(labels)))
