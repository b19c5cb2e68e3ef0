"""The SharePoint sites that the Graph stand-in tells of, and the usage report made of them."""

import csv
import hashlib
import io
import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from pydantic import ConfigDict, NonNegativeInt, PositiveInt
from pydantic.alias_generators import to_camel

DEFAULT_QUOTA_BYTES = 25 * 2**40
COLUMNS = (
    "Report Refresh Date",
    "Site Id",
    "Site URL",
    "Owner Display Name",
    "Is Deleted",
    "Last Activity Date",
    "File Count",
    "Active File Count",
    "Page View Count",
    "Visited Page Count",
    "Storage Used (Byte)",
    "Storage Allocated (Byte)",
    "Root Web Template",
    "Owner Principal Name",
    "Report Period",
)
NO_ID = str(uuid.UUID(int=0))
ROWS_AT_ONCE = 1000
JSON_NAMES = ConfigDict(alias_generator=to_camel, extra="forbid")

Row = tuple[str, ...]


@dataclass(frozen=True)
class Site:
    """A site, whose `url` names it. The control API takes and gives these members in camelCase."""

    __pydantic_config__: ClassVar[ConfigDict] = JSON_NAMES

    url: str
    used_bytes: NonNegativeInt | None = 0
    """The usage that the report shows; None leaves it empty there."""
    quota_bytes: PositiveInt = DEFAULT_QUOTA_BYTES
    live_used_bytes: NonNegativeInt | None = None
    """The usage that the site itself shows, where that differs: the report is two days old."""
    owner: str = "Owners"
    deleted: bool = False
    url_in_report: bool = True
    """Whether the report names its URL; often it does not."""
    subsites: tuple[str, ...] = ()
    """Their names. getAllSites lists them too, under the id of the same site collection."""

    @property
    def id(self) -> str:
        """The site collection's id, made of the URL."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.url))

    @property
    def live_bytes(self) -> int:
        return (self.used_bytes or 0) if self.live_used_bytes is None else self.live_used_bytes

    def row(self, day: str) -> Row:
        used = "" if self.used_bytes is None else str(self.used_bytes)
        shown = self.url if self.url_in_report else ""
        return _row(day, self.id, shown, self.owner, self.deleted, used, str(self.quota_bytes))

    def listed(self) -> list[tuple[str, str]]:
        """Id and URL of its webs; what comes first is in no order that means something."""
        found = [_listed(self.url, self.id), *(_listed(f"{self.url}/{name}", self.id) for name in self.subsites)]
        return found[1:2] + found[:1] + found[2:]


@dataclass(frozen=True)
class Crowd:
    """Any number of sites, each made from its number and the seed when it is asked for: none is kept.

    `near` of them, spread evenly, use 75 to 99 percent of their quota, the others at most 60. Every third has no URL in
    the report; of the others, some are deleted and some have no storage.
    """

    __pydantic_config__: ClassVar[ConfigDict] = JSON_NAMES

    sites: NonNegativeInt = 0
    near: NonNegativeInt = 0
    seed: int = 7

    def rows(self, day: str) -> Iterator[Row]:
        every = self.sites // self.near if self.near else 0
        quota, percent = str(DEFAULT_QUOTA_BYTES), DEFAULT_QUOTA_BYTES // 100
        for number in range(self.sites):
            digest = self._digest(number)
            url = "" if number % 3 == 1 else self.url(number)
            chance = int(digest[:8], 16)
            near = every and number % every == 0 and number // every < self.near
            used = str(percent * (75 + chance % 25) if near else chance % 60 * percent)
            deleted = not near and number % 97 == 5
            yield _row(
                day, _dashed(digest), url, "Owners", deleted, "" if not near and number % 89 == 4 else used, quota
            )

    def listed(self, number: int) -> tuple[str, str]:
        return _listed(self.url(number), _dashed(self._digest(number)))

    def url(self, number: int) -> str:
        return f"https://contoso.sharepoint.com/sites/crowd-{number}"

    def _digest(self, number: int) -> str:
        return hashlib.blake2b(b"%d %d" % (self.seed, number), digest_size=16).hexdigest()


@dataclass
class Tenant:
    """A tenant. What is changed here, the next answer tells."""

    id: str = "235ec2cb-0767-40b3-a1de-4da2c42b19e9"
    display_name: str = "Contoso"
    domains: tuple[str, ...] = ("contoso.com", "contoso.onmicrosoft.com")
    """Those that it has verified, of which people inside have their addresses."""
    sites: dict[str, Site] = field(default_factory=dict)
    """The sites, by their URLs."""
    crowd: Crowd = field(default_factory=Crowd)

    def put(self, *sites: Site) -> None:
        """Adds these, in place of those with the same URLs."""
        self.sites |= {site.url: site for site in sites}

    def find(self, reference: str) -> Site | None:
        """The site of an id, or of host and path as Graph takes them (`contoso.sharepoint.com:/sites/hr:`)."""
        host, _, path = reference.partition(":")
        wanted = (host.lower(), path.strip("/:").lower())
        for site in self.sites.values():
            parts = urlsplit(site.url)
            here = (parts.netloc.lower(), unquote(parts.path).strip("/").lower())
            if not site.deleted and (site.id in reference.split(",") or here == wanted):
                return site
        return None

    def listed(self, start: int, count: int) -> list[tuple[str, str]]:
        """Id and URL of `count` of all webs, from the `start`-th on; deleted sites have none."""
        own = [web for site in self.sites.values() if not site.deleted for web in site.listed()]
        first = max(start - len(own), 0)
        last = min(start + count - len(own), self.crowd.sites)
        return own[start : start + count] + [self.crowd.listed(number) for number in range(first, last)]

    def rows(self, day: str) -> Iterator[Row]:
        for site in list(self.sites.values()):
            yield site.row(day)
        yield from self.crowd.rows(day)


def report(tenant: Tenant, day: date, *, concealed: bool, shuffled: bool, byte_order_mark: bool) -> Iterator[bytes]:
    """The usage report of a day as CSV, in pieces of at most ROWS_AT_ONCE rows; the first piece is the header."""
    order = list(range(len(COLUMNS)))
    if shuffled:
        random.Random(7).shuffle(order)  # noqa: S311  # nothing is to be kept secret
    yield (b"\xef\xbb\xbf" if byte_order_mark else b"") + _csv([COLUMNS], order)
    rows = tenant.rows(day.isoformat())
    if concealed:
        rows = map(_conceal, rows)
    while piece := list(islice(rows, ROWS_AT_ONCE)):
        yield _csv(piece, order)


def _csv(rows: Iterable[Row], order: list[int]) -> bytes:
    text = io.StringIO()
    if order != sorted(order):
        rows = (tuple(row[column] for column in order) for row in rows)
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _row(day: str, site_id: str, url: str, owner: str, deleted: bool, used: str, quota: str) -> Row:
    gone = "True" if deleted else "False"
    mail = "owners@contoso.com"
    return (day, site_id, url, owner, gone, day, "37", "8", "50", "1", used, quota, "Group", mail, "7")


def _conceal(row: Row) -> Row:
    """The row as Microsoft 365 shows it when names are concealed; the numbers stay."""
    return (row[0], NO_ID, "", hashlib.sha256(row[3].encode()).hexdigest().upper(), *row[4:13], "", row[14])


def _listed(url: str, site_id: str) -> tuple[str, str]:
    web_id = _dashed(hashlib.blake2b(url.encode(), digest_size=16).hexdigest())
    return f"{urlsplit(url).netloc},{site_id},{web_id}", url


def _dashed(digest: str) -> str:
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def contoso() -> Tenant:
    """The tenant of `dev.py start` and `dev.py demo`: every site is below 75 percent."""
    tenant = Tenant()
    for name, percent, owner, url_in_report in (
        ("hr", 71, "HR Owners", False),
        ("finance", 64, "Müller, Ortega & Söhne", True),
        ("engineering", 58, "Engineering Owners", False),
        ("marketing", 33, 'The "Brand" Team', True),
    ):
        used = DEFAULT_QUOTA_BYTES * percent // 100
        site = Site(f"https://contoso.sharepoint.com/sites/{name}", used, owner=owner, url_in_report=url_in_report)
        tenant.put(site)
    tenant.put(
        Site("https://contoso.sharepoint.com/sites/old-intranet", DEFAULT_QUOTA_BYTES, deleted=True),
        Site("https://contoso.sharepoint.com/sites/new", None),
    )
    return tenant
