"""`/v1.0/webhooks/types`: the catalogue."""

from shared.api.call import Call, Reply
from shared.catalogue import CATALOGUE


def list_all(call: Call) -> Reply:
    """Every event type with its content schema and a sample."""
    return Reply(
        200,
        {
            "value": [
                {
                    "type": known.name,
                    "title": known.title,
                    "description": known.description,
                    "severity": known.severity,
                    "schema": known.schema,
                    "sample": known.sample,
                }
                for known in CATALOGUE.values()
            ]
        },
    )
