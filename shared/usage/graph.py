"""What is asked of Microsoft Graph: the site usage report, the URLs of sites, and one site's live usage."""

from collections.abc import Iterator
from datetime import timedelta
from typing import BinaryIO, NamedTuple
from urllib.parse import quote, urlsplit

from shared.m365 import graph
from shared.m365.client import MOST_TRIES, Client, GraphFailed, Resource, Truncated, address_at, may_hold_report
from shared.model.clouds import CLOUDS
from shared.settings import Settings

REPORT = Resource("the site usage report", "Reports.Read.All")
SITES = Resource("the list of sites", "Sites.Read.All")
LIVE_USAGE = Resource("the live usage of a site", "Sites.Read.All")
CONCEALMENT = Resource("the report settings", "ReportSettings.Read.All")

MOST_REPORT_BYTES = 4 * 2**30
_MOST_HOPS = 3


class LiveUsage(NamedTuple):
    used_bytes: int
    quota_bytes: int


class SitePage(NamedTuple):
    """Some sites: the id of each one's collection with its URL. `following` is where the next page is, None on the
    last."""

    urls: list[tuple[str, str]]
    following: str | None


class Graph:
    """Microsoft Graph, asked through a client of it. Every method raises GraphFailed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def close(self) -> None:
        self._client.close()

    def left(self) -> float:
        """Seconds until the scan must end; raises GraphFailed where it must now."""
        return self._client.left()

    def download_usage(self, to: BinaryIO) -> None:
        """Writes the site usage report, a CSV of the whole tenant, to an empty file. A download that fails begins again
        with a new address: an address is good for minutes."""
        for tries in range(1, MOST_TRIES + 1):
            try:
                with self._client.stream(
                    "/v1.0/reports/getSharePointSiteUsageDetail(period='D7')", REPORT, redirected=True
                ) as answer:
                    address = address_at(answer.url, answer.headers["Location"]) if answer.is_redirect else None
                    if address is None:
                        to.writelines(self._client.chunks(answer, MOST_REPORT_BYTES))
                if address is None or self._fetched(address, to):
                    return
            except Truncated:
                pass  # as good as no answer
            to.seek(0)
            to.truncate()
            self._client.back_off(tries, None, REPORT)

    def site_page(self, at: str | None) -> SitePage:
        """A page of all sites: the first one, or the one that an earlier page named."""
        page = self._client.get_json(at or "/v1.0/sites/getAllSites?$select=id,webUrl&$top=999", SITES)
        following = page.get("@odata.nextLink")
        return SitePage(list(_site_urls(page.get("value"))), following if isinstance(following, str) else None)

    def live_usage(self, site_url: str) -> LiveUsage | None:
        """The live usage of the site at this URL; None where Graph does not say. Raises Refused too."""
        site = urlsplit(site_url)
        path = quote(site.path.strip("/"), safe="/%")
        where = f"{site.hostname}:/{path}:" if path else f"{site.hostname}"
        quota = self._client.get_json(f"/v1.0/sites/{where}/drive?$select=quota", LIVE_USAGE).get("quota")
        used, total = (quota.get("used"), quota.get("total")) if isinstance(quota, dict) else (None, None)
        if not (isinstance(used, int) and isinstance(total, int) and used >= 0 and total > 0):
            return None
        return LiveUsage(used, total)

    def conceals_names(self) -> bool:
        """Whether the tenant's reports are set to conceal the names of users, groups and sites. Raises Refused too."""
        return self._client.get_json("/v1.0/admin/reportSettings", CONCEALMENT).get("displayConcealedNames") is True

    def _fetched(self, address: str, to: BinaryIO) -> bool:
        """Follows the redirect of the report, without the token. False where it is worth asking for a new address."""
        for _ in range(_MOST_HOPS):
            if not may_hold_report(address, self._client.base_url):
                raise GraphFailed("Microsoft Graph sent the usage report to an address that is not https: not followed")
            answer = self._client.get(address, {})
            if answer is None:
                return False
            with answer:
                if not answer.is_redirect:
                    if answer.status_code == 200:
                        to.writelines(self._client.chunks(answer, MOST_REPORT_BYTES))
                    return answer.status_code == 200
                address = address_at(address, answer.headers["Location"])
        raise GraphFailed("the usage report is redirected again and again: not followed")


def connect(settings: Settings, limit: timedelta) -> Graph:
    """Graph as these settings name it, for a scan that may take `limit`. Raises GraphFailed in clouds without the site
    usage report."""
    if not settings.graph_access_token and settings.graph_url != CLOUDS["global"].graph_url:
        raise GraphFailed(
            f"the site usage report exists in the global cloud only, and this deployment is in {settings.entra_cloud}: "
            "switch the scan off with AzureWebJobs.scan_storage.Disabled=true"
        )
    return Graph(graph.connect(settings, limit))


def _site_urls(value: object) -> Iterator[tuple[str, str]]:
    for site in value if isinstance(value, list) else []:
        ids, url = (site.get("id"), site.get("webUrl")) if isinstance(site, dict) else (None, None)
        parts = ids.lower().split(",") if isinstance(ids, str) else []
        if len(parts) == 3 and isinstance(url, str) and url:
            yield parts[1], url
