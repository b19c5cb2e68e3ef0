"""What a property test that fails says beside its example: the rule that the example breaks, and where it is told.

A module of such tests names the page in `TOLD_IN`; the rule is the test's name, read as a sentence, or its docstring.
Hypothesis itself prints the example, and with PROFILE the line that plays it again."""

import ast
import re
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

PROFILE = "rules"


def load_profile() -> None:
    settings.register_profile(PROFILE, settings.default, print_blob=True)
    settings.load_profile(PROFILE)


def rule_of(item: pytest.Item) -> str | None:
    """The rule that a property test holds; None of any other test."""
    function = getattr(item, "function", None)
    if function is None or not is_hypothesis_test(function):
        return None
    sentence = function.__name__.removeprefix("test_").replace("_", " ")
    rule = " ".join((function.__doc__ or "").split()) or f"{sentence[0].upper()}{sentence[1:]}."
    module = item.getparent(pytest.Module)
    page = getattr(module.obj, "TOLD_IN", None) if module else None
    return f"{rule} ({page})" if page else rule


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    rule = rule_of(item) if report.failed else None
    if rule:
        report.sections.append(("The rule", rule))
    return report


def pages_in(folder: Path) -> dict[str, str]:
    """Of each module that names one, the page in which its rules are told."""
    found = {}
    for path in sorted(folder.rglob("test_*.py")):
        match = re.search(r"^TOLD_IN = (\".+\")$", path.read_text("utf-8"), re.MULTILINE)
        if match:
            found[path.relative_to(folder).as_posix()] = str(ast.literal_eval(match[1]))
    return found
