"""What workspaces are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.provisioning import NameProblem, Names, Template, distinct, names_for, slug, template_problem

TOLD_IN = "docs/provisioning.md#ask-for-a-workspace"


def a_template(**more: object) -> Template:
    return Template.model_validate({"id": "7", "kind": "teams", "name": "Project", **more})


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Harbour Review", "harbour-review"),
        ("  R&D / Müller, Ortega & Söhne  ", "rd-muller-ortega-sohne"),
        ("OPS-42", "ops-42"),
        ("a_b", "a_b"),
        ("---", ""),
        ("会議", ""),
        ("x" * 200, "x" * 64),
    ],
)
def test_an_address_is_made_of_a_name(name: str, made: str) -> None:
    assert slug(name) == made


@given(st.text(max_size=300), st.text(max_size=20), st.text(max_size=20), st.booleans())
def test_whatever_a_name_is_it_fits_or_it_is_said_what_to_change(
    name: str, prefix: str, suffix: str, names_address: bool
) -> None:
    found = names_for(a_template(prefix=prefix, suffix=suffix, names_address=names_address), name, None)
    if isinstance(found, NameProblem):
        assert found.field in ("displayName", "desiredUrl")
        assert found.words
    else:
        assert 1 <= len(found.display_name) <= 256
        assert 1 <= len(found.alias) <= 64
        assert found.alias.isascii()
        assert not set(found.alias) & set("@()\\[]\";:<>, /'")


def test_the_template_goes_around_the_name_and_if_it_says_so_around_the_address() -> None:
    template = a_template(prefix="PRJ ", suffix=" (DE)")
    assert names_for(template, "Quay", None) == Names("PRJ Quay (DE)", "quay")
    whole = template.model_copy(update={"names_address": True})
    assert names_for(whole, "Quay", "Quay-1") == Names("PRJ Quay (DE)", "prj-Quay-1-de")


@pytest.mark.parametrize(
    ("name", "address", "field", "words"),
    [
        ("", "a", "displayName", "must not be empty"),
        ("Quay", "https://contoso.sharepoint.com/sites/quay", "desiredUrl", "the last part of an address alone"),
        ("Quay", "-quay", "desiredUrl", "letter or digit first"),
        ("Quay", "q" * 65, "desiredUrl", "has 65 characters; at most 64 are taken"),
        ("Qu\u200bay", "quay", "displayName", "a character that cannot be seen"),
        ("q" * 257, "quay", "displayName", "has 257 characters; a team takes 256"),
        ("会議", None, "desiredUrl", "is required where none can be made"),
    ],
)
def test_what_is_wrong_with_a_name_says_what_to_change(name: str, address: str | None, field: str, words: str) -> None:
    found = names_for(a_template(), name, address)
    assert isinstance(found, NameProblem)
    assert found.field == field
    assert words in found.words


def test_a_community_has_no_address_and_a_shorter_name() -> None:
    template = a_template(kind="yammer")
    assert names_for(template, "会議", None) == Names("会議", "")
    assert isinstance(names_for(template, "q" * 256, None), NameProblem)


def test_a_template_by_which_nothing_could_be_called_is_refused() -> None:
    assert template_problem(a_template(prefix="PRJ ")) is None
    assert template_problem(a_template(prefix="p" * 256)) is not None
    assert template_problem(a_template(prefix="p" * 64, names_address=True)) is not None


def test_a_user_named_twice_counts_once() -> None:
    assert distinct(["mia@c.example", " Mia@C.example ", "leo@c.example"]) == ("mia@c.example", "leo@c.example")
