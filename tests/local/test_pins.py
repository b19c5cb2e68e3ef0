"""constraints.txt pins every package behind requirements.txt: each in one version, on every Python of the app."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local import ROOT, pins
from local.problem import Problem

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""Those of `pythonVersion` in infra/main.bicep."""
LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()


def on(python: str) -> dict[str, str]:
    """What markers see in Azure's build."""
    named = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    return named | {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
    }


def applying(lines: Iterator[str] | list[str], python: str) -> list[Requirement]:
    given = [Requirement(line) for line in lines]
    return [each for each in given if each.marker is None or each.marker.evaluate(on(python))]


def asked_for(python: str) -> list[Requirement]:
    return applying([line for line in REQUIREMENTS if re.match(r"[A-Za-z]", line)], python)


def pinned(python: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in applying([line for line in LINES if not line.startswith("#")], python):
        [specifier] = each.specifier
        assert specifier.operator == "=="
        assert "*" not in specifier.version
        assert canonicalize_name(each.name) not in found, f"{each.name} is pinned twice"
        found[canonicalize_name(each.name)] = specifier.version
    return found


def needed(python: str) -> Iterator[Requirement]:
    """Every package behind requirements.txt, by what the installed ones say of themselves; one that is for other
    Pythons than this says nothing here."""
    left, seen = asked_for(python), set[str]()
    while left:
        each = left.pop()
        yield each
        if str(each) in seen:
            continue
        seen.add(str(each))
        try:
            said = requires(each.name) or []
        except PackageNotFoundError:
            continue
        for inner in map(Requirement, said):
            wanted = [on(python) | {"extra": extra} for extra in ("", *each.extras)]
            if inner.marker is None or any(inner.marker.evaluate(environment) for environment in wanted):
                left.append(inner)


def test_requirements_begin_with_the_pins() -> None:
    assert REQUIREMENTS[0] == pins.POINTER


@pytest.mark.parametrize("python", PYTHONS)
def test_every_package_behind_the_requirements_is_pinned_to_what_all_of_them_take(python: str) -> None:
    """Only the named ones were held, and each of these in a range: the app of Tuesday was not that of Monday."""
    versions = pinned(python)
    wrong = {
        str(each)
        for each in needed(python)
        if not each.specifier.contains(versions.get(canonicalize_name(each.name), "0"))
    }
    assert wrong == set()


@pytest.mark.parametrize("python", PYTHONS)
def test_nothing_is_pinned_that_nothing_needs(python: str) -> None:
    """Where a requirement goes, so do the packages that it brought."""
    assert pinned(python).keys() - {canonicalize_name(each.name) for each in needed(python)} == set()


def test_the_pins_name_no_server() -> None:
    assert [line for line in LINES if "://" in line or line.startswith(("-", "--"))] == []
    assert [line for line in LINES if line.startswith("#")] == pins.HEADER.splitlines()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text(f"{pins.POINTER}\nrequests~=2.34\n", encoding="utf-8")
    return tmp_path


def test_a_pin_stays_where_it_fits(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str]]] = []

    def resolve(text: str, kept: list[str], root: Path) -> str:
        asked.append((text, kept))
        return "".join(f"{line}\n" for line in kept or ["requests==2.34.2"])

    monkeypatch.setattr(pins, "_resolved", resolve)
    assert pins.write_pins(project, upgrade=False) == [*pins.HEADER.splitlines(), "requests==2.34.2"]
    assert pins.write_pins(project, upgrade=False) == []
    assert pins.write_pins(project, upgrade=True) == []
    assert [kept for _, kept in asked] == [[], ["requests==2.34.2"], []]
    assert {text for text, _ in asked} == {"requests~=2.34\n"}, "the pins themselves do not hold the new ones"


def test_requirements_that_cannot_be_met_are_told(project: Path) -> None:
    (project / "requirements.txt").write_text("requests==2.34.2\nrequests==2.33.0\n", encoding="utf-8")
    with pytest.raises(Problem, match="No versions were found"):
        pins.write_pins(project, upgrade=False)
