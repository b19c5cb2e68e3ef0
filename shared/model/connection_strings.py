"""Connection strings of storage accounts, as an account shows them (learn.microsoft.com, "Configure Azure Storage
connection strings")."""

import base64
import re
from typing import Annotated

from pydantic import AfterValidator


def _connection(text: str) -> str:
    if text and text.lower() != "usedevelopmentstorage=true":
        parts = [part.partition("=") for part in text.removesuffix(";").split(";")]
        named = {name.lower(): value for name, _, value in parts if value}
        account = "accountname" in named or {"tableendpoint", "queueendpoint"} <= named.keys()
        bare = re.fullmatch(r"[^\s\"']+", text) and len(named) == len(parts)
        if not bare or not account or not {"accountkey", "sharedaccesssignature"} & named.keys():
            raise ValueError(
                "is no connection string: copy the one of the storage account (Access keys) as it is, such as "
                "DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net"
            )
        try:
            base64.b64decode(named.get("accountkey", ""), validate=True)
        except ValueError:
            raise ValueError("its AccountKey is not complete: copy the connection string again") from None
    return text


ConnectionString = Annotated[str, AfterValidator(_connection)]
