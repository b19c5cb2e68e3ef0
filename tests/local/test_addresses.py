"""Which of several starts `dev.py env` means, and what it prints."""

import os
from pathlib import Path

import pytest

from local.addresses import LOCK, Addresses, assignments, find, told
from local.lock import locked
from local.problem import Problem

FIRST = Addresses("http://127.0.0.1:7071", "http://127.0.0.1:8071", "http://127.0.0.1:9071")
SECOND = Addresses("http://127.0.0.1:7171", "http://127.0.0.1:8171", "")


def test_the_newest_that_runs_is_found_and_each_by_its_port(tmp_path: Path) -> None:
    first, second = tmp_path / "run-7071", tmp_path / "run-7171"
    with locked(first / LOCK), told(first, FIRST):
        os.utime(first / "addresses.json", (1, 1))
        with locked(second / LOCK), told(second, SECOND):
            assert find(tmp_path) == SECOND
            assert find(tmp_path, 7071) == FIRST
        assert find(tmp_path) == FIRST
    with pytest.raises(Problem, match="Nothing that"):
        find(tmp_path)


def test_what_a_killed_start_left_behind_is_not_found(tmp_path: Path) -> None:
    with locked(tmp_path / "run-7071" / LOCK):
        pass
    with told(tmp_path / "run-7071", FIRST), pytest.raises(Problem, match="runs on port 7071"):
        find(tmp_path, 7071)


def test_powershell_gets_a_table_of_headers() -> None:
    assert assignments(FIRST, "a.b.c", "powershell").splitlines() == [
        "$app = 'http://127.0.0.1:7071'",
        "$receiver = 'http://127.0.0.1:8071'",
        "$graph = 'http://127.0.0.1:9071'",
        "$auth = @{ Authorization = 'Bearer a.b.c' }",
        "$json = 'application/json'",
    ]
    assert "graph" not in assignments(SECOND, "a.b.c", "sh"), "the settings name one of their own"
