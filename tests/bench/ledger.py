"""The ledger: accepted = delivered + in the alert log + still queued, by id.

A delivery is known by the path of its endpoint and the idempotency key of its event. A run whose ledger does not
reconcile measured something else than it says.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

Delivery = tuple[str, str]
"""Path of the endpoint, idempotency key."""


@dataclass(frozen=True)
class Balance:
    """Where each accepted delivery is, and what should not be."""

    accepted: int
    delivered: int
    failed: int
    queued: int
    repeated: int
    """POSTs beyond the first of a delivery that arrived: retries, and what crashes repeat."""
    lost: frozenset[Delivery]
    unknown: frozenset[Delivery]
    """Arrived without having been accepted."""

    @property
    def faults(self) -> list[str]:
        """Why the run is void; empty where the ledger reconciles."""
        found = []
        if self.lost:
            found.append(
                f"{len(self.lost)} of {self.accepted} accepted deliveries are nowhere, such as {min(self.lost)}"
            )
        if self.unknown:
            found.append(f"{len(self.unknown)} deliveries arrived that nobody published, such as {min(self.unknown)}")
        return found

    def __str__(self) -> str:
        return (
            f"{self.accepted} accepted = {self.delivered} delivered + {self.failed} in the alert log + {self.queued} "
            f"queued; {self.repeated} POSTs repeated"
        )


def balance(
    accepted: Collection[Delivery],
    received: Iterable[Delivery],
    failed: Collection[Delivery] = (),
    queued: Collection[Delivery] = (),
    perhaps: Collection[Delivery] = (),
) -> Balance:
    """Draws up the ledger. `received` are those that the receiver took (2xx), in any order and number; `perhaps` were
    published by calls that got no answer, and so may arrive or not."""
    taken = Counter(received)
    wanted = set(accepted)
    delivered = wanted & taken.keys()
    abandoned = (wanted - delivered) & set(failed)
    waiting = (wanted - delivered - abandoned) & set(queued)
    return Balance(
        accepted=len(wanted),
        delivered=len(delivered),
        failed=len(abandoned),
        queued=len(waiting),
        repeated=taken.total() - len(taken),
        lost=frozenset(wanted - delivered - abandoned - waiting),
        unknown=frozenset(taken.keys() - wanted - set(perhaps)),
    )
