"""The command line: what it refuses, what it passes on, and what it runs."""

import ast
import contextlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import dev
from local.command_line import COMMANDS, ROLES, as_arguments, command_line, parse
from local.ports import free_ports
from local.problem import Problem
from shared import __version__
from shared.api.http.auth import Role


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 2), (4, 0, 0)])
def test_takes_python_from_3_11_on(version: tuple[int, int, int]) -> None:
    assert dev.python_problem(version) is None


def test_an_old_python_is_told_which_one_is_needed() -> None:
    complaint = dev.python_problem((3, 9, 18))
    assert complaint is not None
    assert "needs Python 3.11 or newer" in complaint
    assert "this is Python 3.9.18" in complaint


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo"],
        ["start"],
        ["start", "--port", "8001", "--azurite-port", "8002", "--receiver-port", "8005", "--in-memory", "--lease", "5"],
        ["start", "--data", "some where"],
        ["token", "--roles", "Point.Read, Point.Publish", "--expires-in", "0"],
        ["token", "--expires-in", "-60", "--roles", ""],
    ],
)
def test_options_survive_being_handed_on(arguments: list[str]) -> None:
    options = parse(arguments)
    again = parse(as_arguments(options))
    assert again == options


def test_a_data_folder_is_meant_from_where_the_person_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse(["start", "--data", "mine"]).data == tmp_path / "mine"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["start", "--port", "0"], "is not a port"),
        (["start", "--azurite-port", "65536"], "is not a port"),
        (["start", "--lease", "0"], "is not a number of seconds"),
        (["start", "--data", "d", "--in-memory"], "not allowed with"),
        (["go"], "there is no command 'go'. `python3 dev.py --help` lists them."),
        (["strat"], "there is no command 'strat'. Did you mean start?"),
        ([], "name a command, for example: python3 dev.py demo"),
        (["start", "--prot", "1"], "`start` does not know --prot 1. Did you mean --port?"),
        (["start", "--data", "README.md"], "is a file; give a folder"),
        (["demo", "now"], "`demo` does not know now."),
        (["token", "--roles", "Foo"], "'Foo' is no role of the app (Point.Admin, "),
        (["token", "--roles", "Point.Read,Point.Amdin"], "'Point.Amdin' is no role of the app"),
        (["env", "--roles", "point.read"], "Did you mean Point.Read?"),
        (["token", "--expires-in", "1h"], "'1h' is not a whole number of seconds, such as 3600"),
        (["env", "--expires-in", "1_000"], "'1_000' is not a whole number of seconds"),
        (["--in-memory"], "there is no option --in-memory before a command, for example: python3 dev.py demo."),
    ],
)
def test_wrong_options_are_explained(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dev.ROOT)
    with pytest.raises(SystemExit) as left:
        dev.main(arguments)
    assert left.value.code == 2
    assert told in capsys.readouterr().err


def test_the_commands_are_those_of_the_parser() -> None:
    [commands] = [each.choices for each in command_line()._actions if each.dest == "command"]
    assert commands is not None
    assert list(commands) == [*COMMANDS]


def test_the_roles_are_the_apps() -> None:
    assert set(ROLES) == set(Role)


def test_the_version_is_the_apps(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        dev.main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"Tenant Hooks {__version__}\n"


def test_ctrl_c_while_setting_up_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*, with_node: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dev, "set_up", interrupted)
    assert dev.main(["demo"]) == 130
    assert capsys.readouterr().err == "Stopped.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as on POSIX")
@pytest.mark.parametrize("after_seconds", [0.0, 0.1, 0.2, 0.4, 0.8])
def test_ctrl_c_at_any_moment_of_a_start_is_no_traceback(after_seconds: float) -> None:
    """The command takes over from dev.py with the signal blocked, so that none is met by a half-started Python."""
    port = free_ports(6)
    ports = [f"--port={port}", f"--azurite-port={port + 1}", f"--receiver-port={port + 4}", f"--graph-port={port + 5}"]
    running = subprocess.Popen(
        [sys.executable, "-m", "local", "start", "--in-memory", *ports],
        cwd=dev.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}),
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.wait(after_seconds)
    running.send_signal(signal.SIGINT)
    shown = running.communicate(timeout=60)[0]
    assert running.returncode in (0, 130)
    assert "Traceback" not in shown


def test_token_before_the_first_start_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "STATE", tmp_path)
    assert dev.main(["token"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Run `python3 dev.py start` first" in shown.err


class Checks:
    """Stands in for running the checks: records them, and fails those it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **codes: int) -> None:
        self.ran: list[tuple[str, ...]] = []
        self._codes = codes
        monkeypatch.setattr(dev, "set_up", lambda *, with_node, with_tools: None)
        monkeypatch.setattr(subprocess, "call", self._call)

    def _call(self, command: list[str], cwd: Path) -> int:
        assert command[1] == "-m"
        assert cwd == dev.ROOT
        self.ran.append(tuple(command[2:]))
        return self._codes.get(command[2], 0)


def test_checks_run_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = Checks(monkeypatch)
    assert dev.main(["test"]) == 0
    assert checks.ran == list(dev.CHECKS)
    assert [check[0] for check in checks.ran] == ["ruff", "ruff", "mypy", "pytest", "pytest"]


def test_the_quick_checks_are_the_first_of_all_and_the_unit_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = Checks(monkeypatch)
    assert dev.main(["test", "--quick"]) == 0
    assert checks.ran[:-1] == list(dev.CHECKS)[:3]
    assert checks.ran[-1][-1] == "tests/unit"


def test_checks_stop_at_the_first_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = Checks(monkeypatch, mypy=2)
    assert dev.main(["test"]) == 2
    assert checks.ran[-1] == ("mypy",)
    assert "`mypy` failed" in capsys.readouterr().err


def test_pytest_arguments_run_pytest_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    checks = Checks(monkeypatch, pytest=5)
    assert dev.main(["test", "-k", "signing", "--maxfail=1", "tests/unit"]) == 5
    assert checks.ran == [("pytest", "-k", "signing", "--maxfail=1", "tests/unit")]
    shown = capsys.readouterr()
    assert shown.out + shown.err == "", "pytest's closing line must stay the last"


def test_a_problem_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*, with_node: bool, with_tools: bool) -> None:
        raise Problem("Install Node.js.")

    monkeypatch.setattr(dev, "set_up", fail)
    assert dev.main(["test"]) == 1
    assert capsys.readouterr().err == "Install Node.js.\n"


@pytest.mark.parametrize(("storage", "needed"), [("UseDevelopmentStorage=true;", False), ("", True)])
def test_start_needs_node_only_for_azurite(
    storage: str, needed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    shutil.copy(dev.ROOT / "local.settings.sample.json", tmp_path)
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setenv("AzureWebJobsStorage", storage)
    monkeypatch.setattr(dev, "set_up", lambda *, with_node: asked.append(with_node))
    monkeypatch.setattr(dev, "_become", lambda command: 0)
    assert dev.main(["start"]) == 0
    assert asked == [needed]


def test_an_old_python_gets_as_far_as_the_message() -> None:
    source = Path(dev.__file__).read_text(encoding="utf-8")
    module = ast.parse(source, feature_version=(3, 7))
    imported = [alias.name for node in module.body if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module or "" for node in module.body if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in imported} <= {*sys.stdlib_module_names}
