"""Where SharePoint is, and what is asked of whom."""

from typing import Any

import pytest

from doubles.simulated_workspaces import DirectoryExchange, lucky
from shared.provisioning.microsoft import Microsoft
from shared.provisioning.outcomes import Fail, Retry


def microsoft(root: str, **more: Any) -> tuple[Microsoft, list[str]]:
    """What knows no SharePoint yet, and the roots to which it connects."""
    cloud, connected = lucky(), []
    cloud.directory.root = root
    graph = DirectoryExchange(cloud, "graph", cloud.directory.base_url)

    def connect(at: str) -> DirectoryExchange:
        connected.append(at)
        return DirectoryExchange(cloud, "sharepoint", at)

    return Microsoft(graph, connect, **more), connected


def test_without_a_setting_graph_is_asked_once() -> None:
    to, connected = microsoft("https://contoso.sharepoint.com")
    assert to.sharepoint() is to.sharepoint()
    assert connected == ["https://contoso.sharepoint.com"]


@pytest.mark.parametrize(
    "root", ["https://evil.example", "http://contoso.sharepoint.com", "", "https://x.sharepoint.com:444"]
)
def test_a_root_that_is_not_microsofts_gets_no_token(root: str) -> None:
    to, connected = microsoft(root)
    assert isinstance(to.sharepoint(), Fail)
    assert connected == []


def test_a_stand_in_for_graph_is_not_believed_where_sharepoint_is() -> None:
    to, connected = microsoft("https://contoso.sharepoint.com", is_stand_in=True)
    found = to.sharepoint()
    assert isinstance(found, Fail)
    assert "SHAREPOINT_BASE_URL" in found.error
    assert connected == []


def test_a_permission_that_finding_it_takes_is_named() -> None:
    to, _ = microsoft("https://contoso.sharepoint.com")
    cloud = lucky()
    cloud.directory.manners.refused = frozenset({"Sites.Read.All"})
    refused = Microsoft(DirectoryExchange(cloud, "graph", cloud.directory.base_url), lambda root: to.graph)
    found = refused.sharepoint()
    assert isinstance(found, Fail)
    assert found.refused
    assert not isinstance(found, Retry)
