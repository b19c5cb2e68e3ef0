"""`dev.py bench` at work, small and short: its figures are there, its ledger reconciles, and a void run fails."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import __main__ as command
from bench.figures import Figure, Report, Target, percentile
from e2e.hosting import ROOT, environment


def test_a_quick_run_measures_writes_and_draws(tmp_path: Path) -> None:
    names = ["throughput", "cpu"]
    told = tmp_path / "figures.json"
    settings = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    ended = subprocess.run(
        [sys.executable, "-m", "bench", *names, "--quick", f"--json={told}", f"--plots={tmp_path}"],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    document = json.loads(told.read_text())
    assert document["quick"] is True
    assert document["machine"]["cores"] >= 1
    assert [each["benchmark"] for each in document["benchmarks"]] == names
    assert all(each["void"] == [] for each in document["benchmarks"])
    figures = {each["name"]: each for part in document["benchmarks"] for each in part["figures"]}
    assert 1 < figures["deliveries"]["median"] < 5_000
    assert figures["ratio of the two"]["median"] > 0
    assert 0.01 < figures["the POST"]["median"] < 20
    for name in names:
        assert (tmp_path / f"{name}.svg").read_text().startswith("<?xml")
        assert name in ended.stdout


def test_a_run_whose_ledger_does_not_reconcile_is_void(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report("cpu", void=["1 of 2 accepted deliveries are nowhere"])
    monkeypatch.setattr(command, "rig", lambda folder: contextlib.nullcontext())
    monkeypatch.setitem(command.BENCHMARKS, "cpu", lambda *_: report)
    assert command.main(["cpu"]) == 2
    assert "Void: the ledger does not reconcile in cpu." in capsys.readouterr().out


def test_an_unknown_benchmark_is_refused_with_the_names() -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["speed"])
    assert ended.value.code == 2


def test_a_figure_is_judged_by_its_median() -> None:
    assert Figure("a", "ms", (1.0, 9.0, 3.0), Target("most", 3)).is_met
    assert not Figure("a", "ms", (1.0, 9.0, 3.5), Target("most", 3)).is_met
    assert not Figure("a", "/s", (1.0, 9.0, 3.5), Target("least", 4)).is_met


def test_percentiles_are_samples() -> None:
    assert percentile([4, 1, 3, 2], 0.5) == 3
    assert percentile([1.0], 0.99) == 1
