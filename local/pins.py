"""Pins what requirements.txt brings: constraints.txt names every package behind it, each in exactly one version, for
all the Pythons that the app runs on. So another day brings no other app."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local.problem import Problem

OLDEST_PYTHON = "3.11"
POINTER = "-c constraints.txt"
"""The first line of requirements.txt: pip reads the file from beside it, here and in Azure's build."""
HEADER = (
    "# Every package that requirements.txt brings, in exactly one version, for each Python that the app runs on.\n"
    "# Written by `python3 dev.py pin`, never by hand.\n"
)
_FROM_PIP = {"UV_DEFAULT_INDEX": "global.index-url", "SSL_CERT_FILE": "global.cert"}


def write_pins(root: Path, upgrade: bool) -> list[str]:
    """Writes constraints.txt and returns the lines that are new in it. Versions stay as they are where they still fit;
    with `upgrade` each becomes the newest that fits. Raises Problem."""
    asked = (root / "requirements.txt").read_text(encoding="utf-8").replace(f"{POINTER}\n", "")
    pins = root / "constraints.txt"
    before = pins.read_text(encoding="utf-8").splitlines() if pins.exists() else []
    kept = [] if upgrade else [line for line in before if "==" in line]
    text = HEADER + _resolved(asked, kept, root)
    pins.write_text(text, encoding="utf-8", newline="\n")
    return [line for line in text.splitlines() if line not in before]


def _resolved(asked: str, kept: list[str], root: Path) -> str:
    """What uv finds for every Python and system at once, with markers where they differ."""
    output = root / ".local" / "constraints.txt"  # what is in it before, uv prefers
    output.parent.mkdir(exist_ok=True)
    output.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--universal", "--python-version", OLDEST_PYTHON]
    command += ["--no-header", "--no-annotate", "--quiet", "--no-emit-index-url", "--output-file", str(output)]
    done = subprocess.run(  # noqa: S603
        command, input=asked, capture_output=True, encoding="utf-8", cwd=root, env=_environment(os.environ)
    )
    if done.returncode:
        raise Problem(
            "No versions were found for requirements.txt. Change what it asks for, or see whether this machine reaches "
            f"a package index:\n{done.stderr.strip()}"
        )
    return output.read_text(encoding="utf-8")


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """With the index and the authorities of pip, whose configuration uv does not read."""
    found = dict(environment)
    for name, key in _FROM_PIP.items():
        asked = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pip", "config", "get", key], capture_output=True, encoding="utf-8"
        )
        given = environment.get(f"PIP_{key.partition('.')[2].upper().replace('-', '_')}") or asked.stdout.strip()
        if given and name not in found:
            found[name] = given
    return found


if __name__ == "__main__":
    try:
        changed = write_pins(Path.cwd(), "--upgrade" in sys.argv[1:])
    except Problem as problem:
        sys.exit(str(problem))
    print("\n".join(changed) or "constraints.txt is as it should be.")
