"""`/v1.0/options`: the signature key (seed 000, "Signature Validation")."""

from shared.api.call import Call, Reply
from shared.logs import write_line


def get(call: Call) -> Reply:
    write_line("audit", actor=str(call.caller), action="signature_key.read")
    return Reply(200, {"webhooksSignatureAuthenticationKey": call.app.options.signature_key()})
