"""`dev.py demo` keeps its promises, and fails when one is broken."""

import asyncio
import re
import subprocess
import sys

import pytest

from local import ROOT
from local.demo import story as demo_story
from local.demo.story import Inbox, Unexpected


def test_the_demo_ends_well() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "local", "demo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "\x1b" not in result.stdout, "without a terminal it is plain text"
    assert "Three scans, three crossings, and each of the two endpoints heard of each once." in result.stdout
    assert "50 records in the audit log, three things that people did, three events for each endpoint." in result.stdout
    assert "One team in the tenant (a stand-in for Microsoft 365), with its two people." in result.stdout
    assert re.search(r"✓ All as promised in \d+ s", result.stdout)
    assert "│ Shared outside the organisation: " in result.stdout, "Slack's own format, as it reads in the channel"
    assert result.stderr == ""


def test_the_demo_waits_for_a_delivery_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_story, "PATIENCE_SECONDS", 0.01)
    with pytest.raises(Unexpected, match=r"attempt 2 of the-key did not reach /flaky\?times=2"):
        asyncio.run(Inbox().get("/flaky?times=2", "the-key", 2))
