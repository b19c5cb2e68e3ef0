"""Which stretches of the audit feed are listed."""

from datetime import UTC, datetime, timedelta

from shared.model.sharing import PollState
from shared.sharing.windows import is_sweep_due, windows

NOW = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)


def test_a_clock_that_was_ahead_for_days_leaves_nothing_out() -> None:
    """Polls went on and listed nothing, until the time came that the clock had shown."""
    state = PollState(since=NOW - timedelta(days=30), cursor=NOW + timedelta(days=3), swept_at=NOW + timedelta(days=3))
    assert is_sweep_due(state, NOW)
    listed = list(windows(state.model_copy(update={"swept_at": NOW}), NOW))
    assert listed[0].start <= NOW - timedelta(hours=24)
    assert listed[-1].end >= NOW
