"""`/v1.0/options`: the signature key (seed 000, "Signature Validation") and its rotation."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from shared import logs
from shared.api.http.call import Call, Reply
from shared.api.views import options_view
from shared.model import Model, utc_text


class Rotation(Model):
    activate_in_hours: Annotated[float, Field(ge=0, le=720, strict=True)] | None = None


def get(call: Call) -> Reply:
    logs.audit(call.caller, "signature_key.read")
    return Reply(200, options_view(call.app.options.signature_keys(call.app.now())).shown())


def rotate(call: Call) -> Reply:
    """Announces the next key: receivers have until it activates to learn it."""
    wanted = call.model(Rotation).activate_in_hours if call.has_body else None
    now = call.app.now()
    activates_at = now + timedelta(hours=24 if wanted is None else wanted)
    keys = call.app.options.rotate_signature_key(now, activates_at)
    logs.audit(call.caller, "signature_key.rotated", activatesAt=utc_text(activates_at))
    return Reply(200, options_view(keys).shown())
