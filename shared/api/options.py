"""`/v1.0/options`: the signature key ("Signature Validation" in Syskit Point's webhook documentation), its rotation."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from shared import logs
from shared.api.http.call import Request, Response
from shared.api.http.operation import Returns, Tag, operation
from shared.api.http.view import Time, View, example
from shared.model import Model, utc_text
from shared.storage.signature_keys import SignatureKeys


class Rotation(Model):
    model_config = example({"activateInHours": 24})

    activate_in_hours: Annotated[float, Field(ge=0, le=720, strict=True)] | None = None


class Options(View):
    model_config = example(
        {
            "webhooksSignatureAuthenticationKey": "7e48b3d0-efbd-4bf9-bf49-802fc3462d18",
            "nextWebhooksSignatureAuthenticationKey": "158b08cc-6a06-49f2-a724-2bc514fdcf1e",
            "activatesAt": "2026-11-23T10:00:00.000Z",
        }
    )

    webhooks_signature_authentication_key: Annotated[str, Field(description="The text that keys the HMAC")]
    next_webhooks_signature_authentication_key: str | None = None
    activates_at: Annotated[Time, Field(description="From then on the next key signs")] | None = None


@operation("Read the signature key", tag=Tag.KEYS, answers={200: Returns("The keys", Options)})
def get(request: Request) -> Response:
    logs.audit(request.caller, "signature_key.read")
    return Response(200, _shown(request.app.options.signature_keys(request.app.now())).shown())


@operation(
    "Announce the next signature key",
    tag=Tag.KEYS,
    answers={200: Returns("The keys", Options)},
    description="It signs from `activatesAt` on, 24 hours ahead unless the body says otherwise.",
    body=Rotation,
    needs_body=False,
)
def rotate(request: Request) -> Response:
    """Announces the next key: receivers have until it activates to learn it."""
    wanted = request.model(Rotation).activate_in_hours if request.has_body else None
    now = request.app.now()
    activates_at = now + timedelta(hours=24 if wanted is None else wanted)
    keys = request.app.options.rotate_signature_key(now, activates_at)
    logs.audit(request.caller, "signature_key.rotated", activatesAt=utc_text(activates_at))
    return Response(200, _shown(keys).shown())


def _shown(keys: SignatureKeys) -> Options:
    return Options(
        webhooks_signature_authentication_key=keys.current,
        next_webhooks_signature_authentication_key=keys.following,
        activates_at=keys.activates_at,
    )
