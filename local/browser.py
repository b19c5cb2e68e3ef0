"""The browser in which the console is tested. The standard library only: it is sought before any package is there."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_USUAL_PLACES = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("C:/Program Files/Google/Chrome/Application/chrome.exe"),
    Path("C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe"),
)
PATIENCE_SECONDS = 120
MISSING = "no Chromium, Chrome or Edge was found: install one, or name it in CHROME, to run the console's tests"


def find() -> str | None:
    """The program: what CHROME names, else one that is installed; None where there is none."""
    named = os.environ.get("CHROME")
    if named:
        return shutil.which(named)
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or next((str(path) for path in _USUAL_PLACES if path.exists()), None)


def install(log_path: Path) -> bool:
    """Installs Debian's Chromium where that can be done without asking anybody, which is in a container of one's own;
    the output goes to the log. Returns whether there is a browser then: without one its tests are skipped by name."""
    if find():
        return True
    apt = shutil.which("apt-get")
    if apt is None or sys.platform != "linux" or os.geteuid() != 0:
        return False
    sys.stderr.write("  Chromium, for the console's tests … ")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with log_path.open("w", encoding="utf-8") as log:
        for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            with contextlib.suppress(subprocess.TimeoutExpired):  # as where the machine reaches no package index
                subprocess.run(  # noqa: S603
                    [apt, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    check=False,
                    timeout=PATIENCE_SECONDS,
                )
    installed = find() is not None
    sys.stderr.write("installed\n" if installed else f"not to be had here: see {log_path.name}\n")
    return installed
