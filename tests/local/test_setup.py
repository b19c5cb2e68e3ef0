"""Setting up: once, again after a change, never half, and with a message that helps when it fails."""

import dataclasses
import json
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from local import ROOT, setup
from local.lock import share
from local.problem import Problem
from local.setup import IN_USE, Part, make_ready, node_problem, python_packages, run_logged, tool_packages


@dataclass
class Maker:
    """Makes a part's folder; `fails` lists what goes wrong at which time."""

    made: int = 0
    fails: list[int] = field(default_factory=list)
    working: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_end.set()

    def make(self, part: Part, log: IO[str]) -> None:
        self.made += 1
        part.folder.mkdir(exist_ok=True)
        self.working.set()
        assert self.may_end.wait(20)
        if self.made in self.fails:
            program = "for i in range(40): print('line', i)\nraise SystemExit('no such package: tenant-hoops')"
            run_logged([sys.executable, "-c", program], log)


def part_of(root: Path, maker: Maker, made_with: str = "3.11") -> Part:
    source = root / "requirements.txt"
    if not source.exists():
        source.write_text("rich\n", encoding="utf-8")
    return Part("Python packages", root / "made", (source,), maker.make, "Check your network.", made_with)


def test_made_once_and_then_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maker = Maker()
    make_ready([part_of(tmp_path, maker)], tmp_path / ".local")
    assert "Python packages … 0 s" in capsys.readouterr().err
    make_ready([part_of(tmp_path, maker)], tmp_path / ".local")
    assert maker.made == 1
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""


def test_made_again_when_a_source_changes(tmp_path: Path) -> None:
    maker = Maker()
    part = part_of(tmp_path, maker)
    make_ready([part], tmp_path / ".local")
    part.sources[0].write_bytes(b"rich\r\n")
    assert part.is_ready(), "line ends alone are no change"
    part.sources[0].write_text("rich\nruff\n", encoding="utf-8")
    make_ready([part], tmp_path / ".local")
    assert maker.made == 2


def test_made_again_for_another_python(tmp_path: Path) -> None:
    maker = Maker()
    make_ready([part_of(tmp_path, maker, "3.11")], tmp_path / ".local")
    assert not part_of(tmp_path, maker, "3.13").is_ready()


def test_made_again_when_its_interpreter_is_gone(tmp_path: Path) -> None:
    interpreter = tmp_path / "made" / "python"
    part = dataclasses.replace(part_of(tmp_path, Maker()), essential=interpreter)
    make_ready([part], tmp_path / ".local")
    interpreter.touch()
    assert part.is_ready()
    interpreter.unlink()
    assert not part.is_ready()


def changed(part: Part) -> None:
    part.sources[0].write_text("tenant-hooks\n", encoding="utf-8")


def test_what_a_program_uses_is_not_made_again_for_another_python(tmp_path: Path) -> None:
    maker = Maker()
    make_ready([part_of(tmp_path, maker, "3.11")], tmp_path / ".local")
    with share(tmp_path / ".local" / IN_USE):
        make_ready([part_of(tmp_path, maker, "3.13")], tmp_path / ".local")
        assert maker.made == 1
    make_ready([part_of(tmp_path, maker, "3.13")], tmp_path / ".local")
    assert maker.made == 2


def test_what_a_program_uses_is_not_pulled_away_when_a_source_changes(tmp_path: Path) -> None:
    maker = Maker()
    part = part_of(tmp_path, maker)
    make_ready([part], tmp_path / ".local")
    changed(part)
    with share(tmp_path / ".local" / IN_USE), pytest.raises(Problem, match="still uses it"):
        make_ready([part], tmp_path / ".local")
    assert maker.made == 1


def test_tools_are_added_beside_a_program_that_runs(tmp_path: Path) -> None:
    lean, tools = Maker(), Maker()
    part = part_of(tmp_path, lean)
    added = dataclasses.replace(part_of(tmp_path, tools), stamp=".tools", adds=True)
    make_ready([part], tmp_path / ".local")
    with share(tmp_path / ".local" / IN_USE):
        make_ready([part, added], tmp_path / ".local")
    assert (lean.made, tools.made) == (1, 1)


def test_tools_are_installed_again_with_what_they_were_added_to(tmp_path: Path) -> None:
    parts = [python_packages(tmp_path), tool_packages(tmp_path)]
    assert parts[0].folder == parts[1].folder
    assert parts[0].stamp != parts[1].stamp
    assert set(parts[0].sources) < set(parts[1].sources)


def test_half_made_is_made_again(tmp_path: Path) -> None:
    maker = Maker(fails=[1])
    part = part_of(tmp_path, maker)
    with pytest.raises(Problem):
        make_ready([part], tmp_path / ".local")
    assert part.folder.exists()
    assert not part.is_ready()
    make_ready([part], tmp_path / ".local")
    assert part.is_ready()


def test_a_change_that_fails_leaves_nothing_that_looks_ready(tmp_path: Path) -> None:
    maker = Maker(fails=[2])
    part = part_of(tmp_path, maker)
    make_ready([part], tmp_path / ".local")
    before = part.sources[0].read_text(encoding="utf-8")
    part.sources[0].write_text("tenant-hoops\n", encoding="utf-8")
    with pytest.raises(Problem):
        make_ready([part], tmp_path / ".local")
    part.sources[0].write_text(before, encoding="utf-8")
    assert not part.is_ready(), "the folder may be half of the one and half of the other"


def test_failure_shows_the_end_of_the_output_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Problem) as raised:
        make_ready([part_of(tmp_path, Maker(fails=[1]))], tmp_path / ".local")
    told = str(raised.value)
    assert "failed with exit code 1" in told
    assert "no such package: tenant-hoops" in told
    assert "line 39" in told
    assert "line 3\n" not in told
    assert ".local/setup-made.log" in told
    assert told.endswith("Check your network.")


def test_of_two_at_once_one_works_and_the_other_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = Maker()
    maker.may_end.clear()
    waits = threading.Event()
    monkeypatch.setattr(setup, "_say", lambda text: waits.set() if text.startswith("Waiting") else None)

    def set_up() -> None:
        make_ready([part_of(tmp_path, maker)], tmp_path / ".local")

    first, second = threading.Thread(target=set_up), threading.Thread(target=set_up)
    first.start()
    assert maker.working.wait(20)
    second.start()
    assert waits.wait(20)
    maker.may_end.set()
    first.join(20)
    second.join(20)
    assert maker.made == 1


def test_folders_are_made_at_the_same_time_and_parts_of_one_after_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lean, tools, other = Maker(), Maker(), Maker(fails=[1])
    lean.may_end, other.may_end = other.working, lean.working  # each waits until the other is at work
    part = part_of(tmp_path, lean)
    added = dataclasses.replace(part_of(tmp_path, tools), title="Tools", stamp=".tools", adds=True)
    elsewhere = dataclasses.replace(part_of(tmp_path, other), title="Node", folder=tmp_path / "elsewhere")
    with pytest.raises(Problem, match="tenant-hoops"):
        make_ready([part, added, elsewhere], tmp_path / ".local")
    assert (lean.made, tools.made, other.made) == (1, 1, 1)
    assert part.is_ready(), "what the other folder lacks is no reason to begin anew"
    told = capsys.readouterr().err
    assert told.startswith("Setting up (once; later runs start at once) …\n")
    assert told.index("Python packages … 0 s") < told.index("Tools … 0 s")
    assert "  Node … failed\n" in told


@pytest.mark.parametrize("shown", ["v20.0.0\n", "v24.1.0\n"])
def test_takes_node_from_20_on(shown: str) -> None:
    assert node_problem(shown) is None


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("v18.20.4\n", "This Node.js is v18.20.4."),
        (None, "Node.js or npm was not found."),
        ("", "of an unknown version"),
    ],
)
def test_another_node_is_told_what_is_needed(shown: str | None, told: str) -> None:
    problem = node_problem(shown)
    assert problem is not None
    assert told in problem
    assert "Install Node.js 20 or newer" in problem


@pytest.mark.parametrize(
    ("shown", "can"),
    [("pip 22.3 from /usr (python 3.11)\n", True), ("pip 26.0.1 from", True), ("pip 22.2.2 from", False), ("", False)],
)
def test_a_pip_is_borrowed_that_can_install_elsewhere(shown: str, can: bool) -> None:
    assert setup.pip_can_install_elsewhere(shown) is can


def test_azurite_brings_no_telemetry() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    lean = {name.rpartition("node_modules/")[2] for name, each in packages.items() if not each.get("dev")}
    assert "azurite" in lean
    assert not [name for name in lean if name.startswith("@opentelemetry/")]
    assert len(lean) < 260


def test_running_the_app_needs_little_of_npm() -> None:
    described = json.loads((ROOT / "package.json").read_text("utf-8"))
    assert described["dependencies"].keys() == {"azurite", "@azure/msal-browser", "lit-html"}
    locked = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    assert {name: locked[""][name] for name in ("dependencies", "devDependencies")} == {
        name: described[name] for name in ("dependencies", "devDependencies")
    }


def test_tools_are_added_to_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azurite may be running from node_modules, which `npm ci` would empty."""
    ran: list[list[str]] = []
    monkeypatch.setattr(setup, "run_logged", lambda command, log, folder: ran.append(command[1:3]))
    made = (
        "package.json",
        "package-lock.json",
        "infra/scripts/console-files.json",
        "shared/console/vendor/lit-html.js",
    )
    for name in made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}", encoding="utf-8")
    (tmp_path / "node_modules").mkdir()
    make_ready([setup.node_packages(tmp_path)], tmp_path / ".local")
    with share(tmp_path / ".local" / IN_USE):
        make_ready([setup.node_packages(tmp_path), setup.node_tools(tmp_path)], tmp_path / ".local")
    copies = ["infra/scripts/console.mjs"]
    assert ran == [["ci", "--omit=dev"], copies, ["install", "--no-save"], copies]
    assert setup.node_packages(tmp_path).is_ready()
    assert setup.node_tools(tmp_path).is_ready()
