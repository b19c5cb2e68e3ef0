"""Which browser the console's tests run in."""

import os
import sys
from pathlib import Path

import pytest

from local import browser


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which there is nothing yet."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROME", raising=False)
    monkeypatch.setattr(browser, "_USUAL_PLACES", ())
    return tmp_path


def program(folder: Path, name: str, script: str = "") -> Path:
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name != "posix", reason="programs on Windows have other names")
def test_the_one_that_is_named_comes_before_those_that_are_found(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert browser.find() is None
    chrome = program(programs, "google-chrome")
    assert browser.find() == str(chrome)
    own = program(programs, "my-browser")
    monkeypatch.setenv("CHROME", "my-browser")
    assert browser.find() == str(own)
    monkeypatch.setenv("CHROME", "not-there")
    assert browser.find() is None


@pytest.mark.skipif(os.name != "posix", reason="apt-get is Debian's")
def test_nothing_is_installed_where_one_is_there_or_nobody_may(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = programs / "state" / "browser.log"
    assert not browser.install(log)
    program(programs, "apt-get", "raise SystemExit('asked')")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not browser.install(log)
    assert not log.exists()
    program(programs, "chromium")
    assert browser.install(log)
    assert not log.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="apt-get is Debian's")
def test_apt_that_fails_ends_no_test_run(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(programs, "apt-get", "import sys\nprint('no index', sys.argv)\nraise SystemExit(100)")
    log = programs / "state" / "browser.log"
    assert not browser.install(log)
    assert "not to be had here" in capsys.readouterr().err
    assert log.read_text().count("no index") == 2
