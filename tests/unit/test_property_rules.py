"""A property test that fails names its example, its rule and the page that tells it."""

from pathlib import Path

import pytest
from hypothesis import core
from hypothesis.vendor import pretty

from property_rules import pages_in

from .test_docs import anchors

pytest_plugins = ["pytester"]
TESTS = Path(__file__).parents[1]
PAGES = pages_in(TESTS)
FAILING = '''
from hypothesis import given, strategies

TOLD_IN = "docs/receivers.md#the-schedule"

@given(strategies.integers(0, 9))
def test_no_number_is_above_seven(number):
    assert number <= 7

@given(strategies.integers(8, 8))
def test_eight(number):
    """Eight is told in
    so many words."""
    assert number != 8

def test_without_a_property():
    assert False
'''


def test_no_plugin_hides_the_values_of_examples() -> None:
    """That of schemathesis replaced the printer, for all of Hypothesis, by one that prints nothing of plain values."""
    assert vars(core)["RepresentationPrinter"] is pretty.RepresentationPrinter


def test_a_failure_names_rule_and_example(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from property_rules import pytest_runtest_makereport")
    pytester.makepyfile(test_failing=FAILING)
    said = pytester.runpytest_inprocess("-p", "no:schemathesis", "-p", "no:cacheprovider").stdout.str()
    assert "No number is above seven. (docs/receivers.md#the-schedule)" in said
    assert "number=8" in said
    assert "Eight is told in so many words. (docs/receivers.md#the-schedule)" in said
    assert said.count("The rule") == 2


@pytest.mark.parametrize("module", PAGES)
def test_the_page_has_the_heading(module: str) -> None:
    path, _, anchor = PAGES[module].partition("#")
    assert anchor in anchors(TESTS.parent / path)
