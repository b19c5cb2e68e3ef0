"""Mails of several events, over the app's own way to a stand-in of Microsoft Graph, in virtual time."""

import asyncio
from typing import Any

from doubles.format_events import sample_of
from doubles.virtual_host import OK, Post, VirtualHost
from doubles.virtual_time import run
from local.m365.mail import Outbox
from shared.formats.rendering import settings_text
from shared.outbound.client import Response

URL = "https://graph.microsoft.com/v1.0/users/alerts@contoso.com/sendMail"


def mails(count: int, every: float, **settings: Any) -> list[tuple[float, str]]:
    """When each mail was sent, in minutes, and its subject, where so many events came so many seconds apart."""
    outbox = Outbox(("contoso.com",))
    sent: list[tuple[float, str]] = []

    def answer(post: Post) -> tuple[float, Response]:
        refusal = outbox.take("alerts@contoso.com", post.headers, post.body)
        if refusal is None:
            sent.append((post.at / 60, outbox.mails[-1]["subject"]))
        return 0.2, OK if refusal is None else Response(refusal.status, refusal.message, None)

    async def main() -> None:
        host = VirtualHost(answer)
        given = settings_text({"recipients": ["it@contoso.com"]} | settings)
        host.register(URL, format="email", settings={"email": given}, max_per_second=0.4)
        events = [sample_of("permission.granted", key=f"key-{number}") for number in range(count)]

        async def publish() -> None:
            for event in events:
                host.publish([event])
                await asyncio.sleep(every)

        await asyncio.gather(publish(), host.run(until=count * every + 1))
        await host.run()
        assert {row.status for row in host.rows(events)} == {"delivered"}

    run(main())
    return sent


def test_events_of_five_minutes_are_one_mail() -> None:
    sent = mails(20, every=30)
    assert [subject for _, subject in sent] == ["[Low] 10 events: Permission granted (10)"] * 2
    assert [round(minutes) for minutes, _ in sent] == [5, 10]


def test_a_burst_of_hundreds_is_a_few_mails() -> None:
    sent = mails(300, every=0)
    assert len(sent) <= 8
    assert all(5 <= minutes <= 6 for minutes, _ in sent)


def test_without_a_digest_each_event_is_a_mail_as_fast_as_a_mailbox_may() -> None:
    sent = mails(60, every=1, digestMinutes=0)
    assert len({subject for _, subject in sent}) == 1
    assert len(sent) == 60
    assert all(sum(at <= minutes < at + 1 for minutes, _ in sent) <= 30 for at, _ in sent)
