"""The one table of Microsoft's clouds."""

import re
from typing import get_args

from shared.model.clouds import CLOUDS, POWER_AUTOMATE, CloudName


def test_every_cloud_is_there_and_hosts_are_hosts() -> None:
    assert set(CLOUDS) == set(get_args(CloudName))
    for cloud in CLOUDS.values():
        for host in (
            cloud.login,
            cloud.v1_issuer,
            cloud.v2_issuer,
            cloud.graph,
            cloud.sharepoint,
            cloud.management or "none",
        ):
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", host)
        assert cloud.graph_url == f"https://{cloud.graph}"


def test_tokens_of_china_have_the_issuer_of_its_present_sign_in() -> None:
    """The app expected `login.chinacloudapi.cn`: every v2 token would have been refused there."""
    assert CLOUDS["china"].v2_issuer == "login.partner.microsoftonline.cn"


def test_power_automate_has_an_audience_in_each_cloud_and_gcc() -> None:
    assert len(set(POWER_AUTOMATE)) == len(CLOUDS) + 1
    assert all(audience.startswith("https://") and audience.endswith("/") for audience in POWER_AUTOMATE)
