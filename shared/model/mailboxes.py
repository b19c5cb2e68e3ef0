"""Which mailboxes mails may be sent from, and when the app's own token for Microsoft Graph goes with a delivery. Pure.

In Microsoft Graph the app's identity has rights of its own, so that a token for it goes to nobody. The one exception is
a mail: the token goes to Graph itself, to the operation `sendMail` of a mailbox that the deployment names, with a body
that the wire format `email` made, for an endpoint of an admin. An endpoint's owner chooses recipients and subject, so
no one but an admin may be that owner.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from shared.model.clouds import CLOUDS

FORMAT = "email"
"""The wire format that makes mails."""

_MAILBOX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
"""A user principal name without signs that a URL would have to escape."""


class Mailboxes(NamedTuple):
    """The mailboxes of a deployment. `graph_url` is where Graph is: the cloud's own, or a stand-in; `audience` is that
    of the cloud's."""

    senders: tuple[str, ...] = ()
    graph_url: str = ""
    audience: str = ""

    @property
    def urls(self) -> tuple[str, ...]:
        """To which mails may be POSTed."""
        return tuple(f"{self.graph_url}/v1.0/users/{sender}/sendMail" for sender in self.senders)


def sender_problem(sender: str) -> str | None:
    """Why this cannot be in MAIL_SENDERS, or None."""
    if _MAILBOX.fullmatch(sender):
        return None
    return f"give the user principal names of mailboxes, such as alerts@contoso.com, not {sender!r}"


def is_graph(audience: str) -> bool:
    """Whether this is the audience of Microsoft Graph in some cloud, as Microsoft writes it; a slash may follow."""
    return audience.removesuffix("/") in [cloud.graph_url for cloud in CLOUDS.values()]


def is_for_mail(url: str) -> bool:
    """Whether a URL looks like one that sends mail, on whatever host."""
    return re.fullmatch(r"/v1\.0/users/[^/]+/sendMail", urlsplit(url).path) is not None


def mail_problem(audience: str, url: str, wire_format: str, by_admin: bool, mailboxes: Mailboxes) -> str | None:
    """Why a token for Graph does not go with deliveries of this wire format to this URL, or None. `by_admin`: the
    endpoint's owner is an admin."""
    if audience.removesuffix("/") != mailboxes.audience:
        return f"is of another cloud: give {mailboxes.audience}"
    if wire_format != FORMAT:
        return f"goes with the wire format {FORMAT} alone: choose that format, or take the authentication off"
    if not by_admin:
        return "goes with endpoints of admins alone: delete what a subscriber registered, and register it as an admin"
    if url not in mailboxes.urls:
        return f"goes to the mailboxes of MAIL_SENDERS alone, an app setting: register {' or '.join(mailboxes.urls)}"
    return None
