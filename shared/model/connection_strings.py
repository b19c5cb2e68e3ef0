"""How a storage account is named: by its connection string (learn.microsoft.com, "Configure Azure Storage connection
strings"), its name, or the addresses of its services."""

import base64
import re
from typing import Annotated

from pydantic import AfterValidator

_SERVICE = re.compile(r"https?://[^/?#@\s\[\]]+(/[^?#\s]*)?")


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
        for name, value in named.items():
            if name.endswith("endpoint") and not _SERVICE.fullmatch(value):
                raise ValueError("one of its endpoints is no address: copy the connection string again")
        if named.get("defaultendpointsprotocol", "https").lower() not in ("http", "https"):
            raise ValueError("its DefaultEndpointsProtocol is neither https nor http: copy the connection string again")
        if not re.fullmatch(r"[A-Za-z0-9-]*", named.get("accountname", "")):
            raise ValueError("its AccountName is no name of an account: copy the connection string again")
        try:
            base64.b64decode(named.get("accountkey", ""), validate=True)
        except ValueError:
            raise ValueError("its AccountKey is not complete: copy the connection string again") from None
    return text


def _service(url: str) -> str:
    if url and not _SERVICE.fullmatch(url):
        raise ValueError("must be the address of the service alone, such as https://contoso.queue.core.windows.net")
    return url


def _account(name: str) -> str:
    if name and not re.fullmatch(r"[a-z0-9]{3,24}", name):
        raise ValueError("must be the account's name alone, 3 to 24 small letters and digits, such as contosohooks")
    return name


ServiceAddress = Annotated[str, AfterValidator(_service)]
AccountName = Annotated[str, AfterValidator(_account)]
ConnectionString = Annotated[str, AfterValidator(_connection)]
