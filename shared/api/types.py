"""`/v1.0/webhooks/types`: the catalogue."""

from shared.api.call import Call, Reply
from shared.api.views import Catalogue, catalogue_entry
from shared.catalogue import CATALOGUE


def list_all(call: Call) -> Reply:
    """Every event type with its content schema and a sample."""
    return Reply(200, Catalogue(value=[catalogue_entry(known) for known in CATALOGUE.values()]).shown())
