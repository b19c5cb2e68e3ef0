"""Mails over the app's own way to a stand-in of Microsoft Graph, and what the app's token is not used for."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from doubles.delivering import Deployment
from doubles.format_events import sample_of
from local.m365.mail import Outbox
from shared.admin.changes import Changes, Unfit, Whole
from shared.admin.registration import Registered, Registration, change_endpoint, register
from shared.model import Auth, Delivery, Endpoint
from shared.settings import SettingsError, read_settings

GRAPH = "http://127.0.0.1:7090"
SENDER = "alerts@contoso.com"
URL = f"{GRAPH}/v1.0/users/{SENDER}/sendMail"
SETTINGS = {
    "GRAPH_BASE_URL": GRAPH,
    "GRAPH_ACCESS_TOKEN": "token-of-the-stand-in",
    "MAIL_SENDERS": SENDER,
    "DANGEROUS_ALLOW_PRIVATE_ENDPOINTS": "true",
}
AUTH = {"type": "entra", "audience": "https://graph.microsoft.com"}
MAIL = {"recipients": ["it@contoso.com"], "digestMinutes": 0}


class Graph:
    """The stand-in, and the tokens that it was shown."""

    def __init__(self, **settings: str) -> None:
        self.outbox = Outbox(("contoso.com",))
        self.tokens: list[str] = []
        self.app = Deployment(self._answer, SETTINGS | settings)

    def _answer(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        self.tokens += [headers["Authorization"]] if "Authorization" in headers else []
        if headers.get("Authorization") != "Bearer token-of-the-stand-in":
            return 401, json.dumps(
                {"error": {"code": "InvalidAuthenticationToken", "message": "Access token is empty."}}
            )
        refusal = self.outbox.take(url.split("/")[-2], headers, body)
        if refusal is None:
            return 202, ""
        return refusal.status, json.dumps({"error": {"code": refusal.code, "message": refusal.message}})

    def register(self, url: str = URL, by_admin: bool = True, **more: Any) -> Any:
        fields = {"types": ("*",), "format": "email"} | more
        given = Changes(fields, Whole(MAIL) if fields["format"] == "email" else None, Whole(AUTH))
        return register(self.app.app, Registration(url, given, "owner", by_admin=by_admin))

    def deliver(self) -> Delivery:
        [delivery] = self.app.deliver(sample_of("storage.threshold_exceeded"))
        return delivery


def test_an_event_becomes_a_mail_in_the_outbox() -> None:
    graph = Graph()
    registered = graph.register()
    assert isinstance(registered, Registered)
    assert graph.deliver().status == "delivered"
    [mail] = graph.outbox.mails
    assert (mail["from"], mail["importance"]) == (SENDER, "high")
    assert mail["subject"] == "[High] Storage threshold exceeded: https://contoso.sharepoint.com/sites/hr"


def test_a_mailbox_has_the_pace_that_exchange_allows_unless_another_is_given() -> None:
    graph = Graph()
    assert graph.register().endpoint.max_per_second == 0.4
    changed = change_endpoint(graph.app.app, graph.app.app.endpoints.all()[0].id, Changes({"max_per_second": 0.1}))
    assert isinstance(changed, Endpoint)
    assert changed.max_per_second == 0.1
    cleared = change_endpoint(graph.app.app, changed.id, Changes({"max_per_second": None}))
    assert isinstance(cleared, Endpoint)
    assert cleared.max_per_second == 0.4


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"by_admin": False}, "admins alone"),
        ({"format": "point"}, "wire format email alone"),
        ({"url": URL.replace("alerts", "ceo")}, "MAIL_SENDERS"),
        ({"url": "http://127.0.0.1:7999/v1.0/users/alerts@contoso.com/sendMail"}, "MAIL_SENDERS"),
    ],
)
def test_what_is_no_mail_of_an_admins_is_refused_at_registration(given: dict[str, Any], says: str) -> None:
    refused = Graph().register(**given)
    assert isinstance(refused, Unfit)
    assert refused.reason.startswith("auth.audience: ")
    assert says in refused.reason


def test_an_endpoint_for_mails_is_moved_to_no_other_format_with_its_token() -> None:
    graph = Graph()
    endpoint = graph.register().endpoint
    refused = change_endpoint(graph.app.app, endpoint.id, Changes({"format": "point"}))
    assert isinstance(refused, Unfit)
    assert "wire format email alone" in refused.reason


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"by_admin": False}, "admins alone"),
        ({"format": "point"}, "wire format email alone"),
        ({"url": "http://127.0.0.1:7999/collect"}, "MAIL_SENDERS"),
    ],
)
def test_the_same_is_asked_again_at_each_attempt(changed: dict[str, Any], says: str) -> None:
    """Rows that registration would have refused: from before a setting, or a role, was changed."""
    graph = Graph()
    given: dict[str, Any] = {
        "url": URL,
        "format": "email",
        "by_admin": True,
        "auth": Auth.model_validate(AUTH),
    } | changed
    graph.app.register(**given, types=("*",), settings={"email": json.dumps(MAIL)}, retry_delays=())
    delivery = graph.deliver()
    assert says in str(delivery.attempts[0].error)
    assert graph.tokens == []


def test_without_the_setting_nothing_is_sent() -> None:
    graph = Graph(MAIL_SENDERS="")
    refused = graph.register()
    assert isinstance(refused, Unfit)
    assert "rights of its own" in refused.reason


def test_a_setting_that_names_no_mailbox_ends_the_start() -> None:
    least = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": "A" * 43 + "="}
    assert read_settings(least | {"MAIL_SENDERS": f"{SENDER}, it@contoso.com"}).mail_senders == (
        SENDER,
        "it@contoso.com",
    )
    with pytest.raises(SettingsError, match="MAIL_SENDERS: give the user principal names of mailboxes"):
        read_settings(least | {"MAIL_SENDERS": "alerts@contoso.com/../x"})


def test_what_graph_refuses_is_told_in_words() -> None:
    graph = Graph(MAIL_SENDERS="alerts@fabrikam.com")
    assert isinstance(graph.register(URL.replace("contoso", "fabrikam"), retry_delays=()), Registered)
    delivery = graph.deliver()
    assert delivery.reason is not None
    assert "ErrorInvalidUser: there is no such mailbox" in delivery.reason
