"""Rows of the tables `deliveries<week>`, as the loop that dispatches reads and writes them: in groups."""

from shared.model import Delivery, DeliveryId
from shared.storage.clients import Written
from shared.storage.deliveries import delivery_entity, read_delivery, row_key
from shared.storage.group_commit import GroupCommit
from shared.storage.loop_clients import Insert, LoopServices, Replace
from shared.storage.rows import Versioned, etag_of
from shared.storage.weeks import table_name

_Partition = tuple[str, str]
"""Table and endpoint."""


class AttemptRows:
    """Reads and conditional writes of single rows, of which those of one endpoint go together where they meet."""

    def __init__(self, services: LoopServices) -> None:
        self._services = services
        self._groups: GroupCommit[_Partition, Insert | Replace] = GroupCommit(
            lambda partition, operation: services.write(partition[0], operation),
            lambda partition, operations: services.write_together(partition[0], operations),
            row=lambda operation: str(operation.entity["RowKey"]),
        )

    async def get(self, delivery_id: DeliveryId) -> Versioned[Delivery] | None:
        """The delivery and the etag of its row; None before its first attempt."""
        entity = await self._services.get(_table(delivery_id), delivery_id.endpoint, row_key(delivery_id))
        return None if entity is None else Versioned(read_delivery(entity), etag_of(entity))

    async def insert(self, delivery_id: DeliveryId, delivery: Delivery) -> Written:
        entity = delivery_entity(delivery_id.endpoint, delivery_id, delivery)
        return await self._write(delivery_id, Insert(entity))

    async def replace(self, delivery_id: DeliveryId, delivery: Delivery, etag: str) -> Written:
        """CONFLICT where the row has changed since `etag`, or is gone."""
        entity = delivery_entity(delivery_id.endpoint, delivery_id, delivery)
        return await self._write(delivery_id, Replace(entity, etag))

    async def _write(self, delivery_id: DeliveryId, operation: Insert | Replace) -> Written:
        size_bytes = 1024 + 2 * len(operation.entity["Row"])  # in base64, with what a transaction puts around it
        return await self._groups.write((_table(delivery_id), delivery_id.endpoint), operation, size_bytes)


def _table(delivery_id: DeliveryId) -> str:
    return table_name("deliveries", delivery_id.accepted_ms)
