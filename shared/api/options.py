"""`/v1.0/options`: the signature key ("Signature Validation" in Syskit Point's webhook documentation), its rotation."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from shared import logs
from shared.api.http.call import Request, Response
from shared.api.views import options_view
from shared.model import Model, utc_text


class Rotation(Model):
    activate_in_hours: Annotated[float, Field(ge=0, le=720, strict=True)] | None = None


def get(request: Request) -> Response:
    logs.audit(request.caller, "signature_key.read")
    return Response(200, options_view(request.app.options.signature_keys(request.app.now())).shown())


def rotate(request: Request) -> Response:
    """Announces the next key: receivers have until it activates to learn it."""
    wanted = request.model(Rotation).activate_in_hours if request.has_body else None
    now = request.app.now()
    activates_at = now + timedelta(hours=24 if wanted is None else wanted)
    keys = request.app.options.rotate_signature_key(now, activates_at)
    logs.audit(request.caller, "signature_key.rotated", activatesAt=utc_text(activates_at))
    return Response(200, options_view(keys).shown())
