"""A host that is starved to one thread still takes events and delivers them, beside a receiver that is slow."""

from contextlib import ExitStack, closing
from threading import Timer

from doubles.hooks import Receivers
from e2e.api import Api, custom
from e2e.conftest import Issuer, MakeSettings, MakeStorage
from e2e.hosting import hosting

from .flow import QUICKLY, flowing, reconciles, take_note, wait_until_drained

HELD_SECONDS = 1.5
LEASE_SECONDS = 30
"""A busy Azurite leaves a request unanswered now and then; the messages of a receive are hidden for so long then."""


def test_one_thread_drains_everything(
    make_storage: MakeStorage, make_settings: MakeSettings, issuer: Issuer, receivers: Receivers, full: bool
) -> None:
    """No place that a worker waits for can be one that only it could give back."""
    storage = make_storage()
    settings = make_settings(storage, **{**QUICKLY, "PYTHON_THREADPOOL_THREAD_COUNT": "1"})
    server = receivers.serve()
    hook, slow = server.hook(), server.hook()
    taken = take_note(hook)
    with ExitStack() as stack:
        host = stack.enter_context(hosting(settings, LEASE_SECONDS))
        with closing(Api(host.url, issuer.key)) as api:
            api.register(hook.url, "custom.flow")
            api.register(slow.url, "custom.slow")
            slow.hold()
            api.publish([custom("custom.slow") for _ in range(10)])
        timer = Timer(HELD_SECONDS, slow.release)
        timer.start()
        stack.callback(timer.join)
        with flowing(issuer.key, "custom.flow", [host.url], pause=0.02) as flow:
            flow.wait(1000 if full else 60, within=100)
        slow.wait(10, within=60)
        assert not flow.errors, "what is published again waits for two minutes in the queue"
        wait_until_drained(storage.connection)
        assert reconciles(flow, taken, host.url, issuer.key).repeated == 0
