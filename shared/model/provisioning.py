"""Workspaces that can be asked for, the templates they are made after, and what they are called.

Limits are Microsoft's: "Create group" and "Create community" of Microsoft Graph for names and descriptions, the
properties of a group there for `mailNickname`.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal, NamedTuple

from shared.model.base import Stored

Kind = Literal["teams", "groups", "sites", "yammer"]
"""As the API's paths have it."""
KINDS: tuple[Kind, ...] = ("teams", "groups", "sites", "yammer")


class KindWords(NamedTuple):
    """`type` is the one in the events of Syskit Point's contract, `noun` the word for people."""

    type: str
    noun: str
    longest_name: int
    has_address: bool


WORDS: dict[Kind, KindWords] = {
    "teams": KindWords("MicrosoftTeams", "team", 256, True),
    "groups": KindWords("M365Group", "Microsoft 365 group", 256, True),
    "sites": KindWords("SharePointSiteCollection", "SharePoint site", 256, True),
    "yammer": KindWords("YammerCommunity", "Viva Engage community", 255, False),
}

LONGEST_ALIAS = 64
USER = "a user's sign-in name or mail address, such as mia@contoso.com, or a user's object id"
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f@/\\?%]+@[\w-]+(\.[\w-]+)+")
_OBJECT_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
TEMPLATE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALIAS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?")


class Template(Stored):
    """What workspaces are made after. `prefix` and `suffix` go around the name, and with `names_address` around the
    address too. `privacy` "requester": the request says. Owners and members are added to those of a request. Only with
    the approval "automatic" can the API use it: it knows no other."""

    id: str
    kind: Kind
    name: str
    description: str = ""
    prefix: str = ""
    suffix: str = ""
    names_address: bool = False
    privacy: Literal["private", "public", "requester"] = "requester"
    owners: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    approval: Literal["automatic", "manual"] = "automatic"
    site_design: Literal["communication", "team"] = "communication"
    language: int = 1033


class Names(NamedTuple):
    """`alias` is the last part of a site's address, and a group's `mailNickname`; empty where the kind has none."""

    display_name: str
    alias: str


class NameProblem(NamedTuple):
    """`field` is the one to change."""

    field: str
    words: str


def names_for(template: Template, display_name: str, desired_url: str | None) -> Names | NameProblem:
    """What a workspace is to be called, by its template."""
    words = WORDS[template.kind]
    name = f"{template.prefix}{display_name.strip()}{template.suffix}".strip()
    if not display_name.strip():
        return NameProblem("displayName", "must not be empty")
    if any(unicodedata.category(character) in ("Cc", "Cf") for character in name):
        return NameProblem("displayName", "holds a character that cannot be seen: leave it out")
    if len(name) > words.longest_name:
        around = (
            f" with the template's {template.prefix!r} and {template.suffix!r}" if len(name) > len(display_name) else ""
        )
        return NameProblem(
            "displayName", f"has {len(name)} characters{around}; a {words.noun} takes {words.longest_name}"
        )
    if not words.has_address:
        return Names(name, "")
    alias = desired_url.strip() if desired_url else slug(display_name)
    if not alias:
        return NameProblem("desiredUrl", "is required where none can be made of displayName, such as harbour-review")
    if template.names_address:
        alias = slug(template.prefix, keep_ends=True) + alias + slug(template.suffix, keep_ends=True)
    if not _ALIAS.fullmatch(alias):
        return NameProblem(
            "desiredUrl",
            "must be the last part of an address alone: letters A to Z, digits, - and _, with a letter or digit first "
            "and last, such as harbour-review",
        )
    if len(alias) > LONGEST_ALIAS:
        return NameProblem("desiredUrl", f"has {len(alias)} characters; at most {LONGEST_ALIAS} are taken")
    return Names(name, alias)


def template_problem(template: Template) -> str | None:
    """Why no workspace could be called by this template, or None."""
    found = names_for(template, "A", "a")
    return f"prefix, suffix: {found.field} {found.words}" if isinstance(found, NameProblem) else None


def slug(name: str, *, keep_ends: bool = False) -> str:
    """A name as the last part of an address: `Harbour Review` becomes `harbour-review`. Empty where nothing of it can
    stand in one; with `keep_ends` hyphens stay at its ends."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9_-]", "", re.sub(r"\s", "-", plain)))
    return made[:LONGEST_ALIAS] if keep_ends else made[:LONGEST_ALIAS].strip("-_")


def names_a_user(text: str) -> bool:
    """Whether the text, apart from space at its ends, may be a USER. What is none would be another path of Microsoft
    Graph: `/users/delta` lists everybody, `/users/..` leaves the users."""
    return any(pattern.fullmatch(text.strip()) for pattern in (_ADDRESS, _OBJECT_ID))


def distinct(users: Iterable[str]) -> tuple[str, ...]:
    """Each user once, whatever the case of letters; the first way of writing stays."""
    found: dict[str, str] = {}
    for user in users:
        found.setdefault(user.strip().casefold(), user.strip())
    return tuple(found.values())
