"""A token for Microsoft Graph is one of the app's own: it goes to Graph alone, with mails alone, for admins alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.samples import an_endpoint
from shared.formats import FORMATS
from shared.model.audiences import ALLOWED, TokenRules, allowed_problem, token_problem
from shared.model.clouds import CLOUDS
from shared.model.mailboxes import FORMAT, Mailboxes, is_for_mail, sender_problem

GRAPH = "https://graph.microsoft.com"
SENDER = "alerts@contoso.com"
GOOD = f"{GRAPH}/v1.0/users/{SENDER}/sendMail"
RULES = TokenRules(ALLOWED, Mailboxes((SENDER, "it@contoso.com"), GRAPH, GRAPH))


def problem(
    url: str = GOOD,
    audience: str = GRAPH,
    wire_format: str = FORMAT,
    rules: TokenRules = RULES,
    by_admin: bool = True,
) -> str | None:
    return token_problem(an_endpoint(url, by_admin=by_admin), audience, wire_format, rules)


@pytest.mark.parametrize("name", CLOUDS)
def test_a_token_goes_to_sendmail_of_a_named_mailbox_in_each_cloud(name: Any) -> None:
    graph = CLOUDS[name].graph_url
    rules = TokenRules(ALLOWED, Mailboxes((SENDER,), graph, graph))
    url = f"{graph}/v1.0/users/{SENDER}/sendMail"
    assert problem(url, graph, rules=rules) is None
    assert problem(url, f"{graph}/", rules=rules) is None
    others = [cloud.graph_url for cloud in CLOUDS.values() if cloud.graph_url != graph]
    assert all("of another cloud" in str(problem(url, other, rules=rules)) for other in others)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/",
        f"http://graph.microsoft.com/v1.0/users/{SENDER}/sendMail",
        f"https://graph.microsoft.com.evil.example/v1.0/users/{SENDER}/sendMail",
        f"https://graph.microsoft.com@evil.example/v1.0/users/{SENDER}/sendMail",
        f"https://evil.example/graph.microsoft.com/v1.0/users/{SENDER}/sendMail",
        f"https://graph.microsoft.com:8443/v1.0/users/{SENDER}/sendMail",
        f"https://graph.microsoft.us/v1.0/users/{SENDER}/sendMail",
        f"{GRAPH}/beta/users/{SENDER}/sendMail",
        f"{GRAPH}/v1.0/users/ceo@contoso.com/sendMail",
        f"{GRAPH}/v1.0/users/{SENDER}/messages",
        f"{GRAPH}/v1.0/users/{SENDER}/../ceo@contoso.com/sendMail",
        f"{GRAPH}/v1.0/users/{SENDER}/sendMail/",
        f"{GRAPH}/v1.0/users/{SENDER}/sendMail?x=1",
        f"{GRAPH}/v1.0/users/{SENDER}%2Fmessages/sendMail",
        f"{GRAPH}//v1.0/users/{SENDER}/sendMail",
        f"{GRAPH}/v1.0/me/sendMail",
    ],
)
def test_it_goes_to_no_other_url(url: str) -> None:
    said = str(problem(url))
    assert "MAIL_SENDERS" in said
    assert GOOD in said, "the way out is named"


@given(st.text(max_size=40), st.sampled_from([0, 8, len(GRAPH), len(GOOD) - 9, len(GOOD)]))
def test_whatever_is_put_into_the_url_is_another_url(text: str, at: int) -> None:
    assert (problem(GOOD[:at] + text + GOOD[at:]) is None) is (text == "")


@pytest.mark.parametrize("wire_format", sorted(FORMATS))
def test_it_goes_with_mails_alone(wire_format: str) -> None:
    assert (problem(wire_format=wire_format) is None) is (wire_format == "email")


def test_a_subscribers_endpoint_sends_no_mail() -> None:
    assert "admins alone" in str(problem(by_admin=False))


def test_without_mailboxes_graph_is_refused_as_ever() -> None:
    nobody = TokenRules(("https://graph.microsoft.com", *ALLOWED), Mailboxes((), GRAPH, GRAPH))
    assert "rights of its own" in str(problem(rules=nobody))
    assert "never allowed" in str(allowed_problem(GRAPH)), "MAIL_SENDERS is the only way"


@pytest.mark.parametrize(
    "audience",
    [
        "00000003-0000-0000-c000-000000000000",
        "api://00000003-0000-0000-c000-000000000000",
        "https://GRAPH.microsoft.com",
        "https://graph.microsoft.com//",
        "https://graph.microsoft.com/v1.0",
        "https://graph.microsoft.com/.default",
        "https://contoso.sharepoint.com",
        "https://vault.azure.net",
    ],
)
def test_other_names_of_services_with_rights_are_refused_as_ever(audience: str) -> None:
    assert problem(audience=audience) is not None


@pytest.mark.parametrize(
    "sender",
    ["", "alerts", "@contoso.com", "a@b", "a b@contoso.com", "a/b@contoso.com", "a@contoso.com/x", "a%2f@contoso.com"],
)
def test_what_is_no_mailbox_is_no_sender(sender: str) -> None:
    assert "such as alerts@contoso.com" in str(sender_problem(sender))


@given(st.from_regex(r"\A[A-Za-z0-9.+_-]{1,10}@[a-z]{1,5}\.[a-z]{2}\Z"))
def test_what_is_a_mailbox_is_one_segment_of_a_path(sender: str) -> None:
    if sender_problem(sender) is None:
        assert is_for_mail(Mailboxes((sender,), GRAPH, GRAPH).urls[0])
