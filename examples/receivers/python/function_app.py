"""A receiver of Tenant Hooks as an Azure Function: verify, put on a queue, answer 202; work later, once for each event.

`work` is yours to write. The README beside this folder tells how to deploy it.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import re
import time
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

import azure.functions as func
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableClient
from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

STORAGE = "AzureWebJobsStorage"
"""The app setting with a connection string. Without it `AzureWebJobsStorage__accountName`, and the managed identity."""
QUEUE, TABLE = "tenant-hooks-received", "TenantHooksReceived"
TOLERANCE_SECONDS = 300
LARGEST_BODY_BYTES = 40_000
LARGEST_MESSAGE_BYTES = 49_000
"""64 KiB of a queue message, less what base64 adds."""

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)  # the signature is the key


def work(event: dict[str, Any]) -> None:
    """Put your own work here. What it raises brings the event back, five times; then it is on the poison queue."""
    logging.info("Worked on %s %s", event["type"], event["meta"]["idempotencyKey"])


@app.route("receive", methods=["POST"])
def receive(req: func.HttpRequest) -> func.HttpResponse:
    body = req.get_body()  # the bytes as they came, which are what is signed
    fault = find_fault(body, req.headers, os.environ.get("TENANT_HOOKS_SECRET", ""), time.time())
    if fault is not None:
        return func.HttpResponse(fault, status_code=401)
    # No top-level member may be called id, popReceipt or the like: the host reads such ones as the message's own.
    received = {"webhookId": req.headers["webhook-id"], "claim": str(uuid.uuid4()), "body": body.decode()}
    message = json.dumps(received, ensure_ascii=False)  # or each letter outside ASCII would take six bytes
    if len(body) > LARGEST_BODY_BYTES or len(message.encode()) > LARGEST_MESSAGE_BYTES:
        return func.HttpResponse("larger than this receiver takes (40,000 bytes)", status_code=413)
    queue().send_message(message)  # before the answer: if this fails, the answer is 500, and the event comes again
    return func.HttpResponse("accepted", status_code=202)


@app.queue_trigger("message", QUEUE, STORAGE)
def process(message: func.QueueMessage) -> None:
    received = json.loads(message.get_body())
    key = received["webhookId"]
    if not claims(key, received["claim"]):
        logging.info("Known already: %s", key)
        return
    work(json.loads(received["body"]))


def find_fault(body: bytes, headers: Mapping[str, str], secret: str, now: float) -> str | None:
    """Why the delivery is not to be believed (Standard Webhooks), or None. `now` is in seconds since 1970."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (message_id and message_id.isascii() and re.fullmatch("[0-9]{1,12}", timestamp)):
        return "webhook-id or webhook-timestamp is missing"
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return "webhook-timestamp is more than five minutes off"
    mac = hmac.digest(key_of(secret), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    expected = b"v1," + base64.b64encode(mac)
    given = headers.get("webhook-signature", "").encode(errors="replace").split(b" ")
    # Several signatures while a secret is rotated; all are compared, each in constant time.
    fits = [hmac.compare_digest(expected, each) for each in given]
    return None if any(fits) else "no webhook-signature fits"


def key_of(secret: str) -> bytes:
    """The key in a `whsec_…` secret. Raises ValueError: anybody could sign with an empty one."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or len(key) < 24:
        raise ValueError("TENANT_HOOKS_SECRET must be the endpoint's secret, whsec_…")
    return key


def claims(key: str, claim: str) -> bool:
    """Whether this message is the one that works on the event: the first with its key, each time that it comes back."""
    try:
        table().create_entity({"PartitionKey": "event", "RowKey": key, "Claim": claim})
    except ResourceExistsError:
        return bool(table().get_entity("event", key)["Claim"] == claim)
    return True


@cache
def queue() -> QueueClient:
    policy = TextBase64EncodePolicy()  # what the queue trigger expects unless host.json says otherwise
    connection = os.environ.get(STORAGE)
    if connection:
        client = QueueClient.from_connection_string(connection, QUEUE, message_encode_policy=policy)
    else:
        client = QueueClient(_url("queue"), QUEUE, credential=DefaultAzureCredential(), message_encode_policy=policy)
    _create(client.create_queue)
    return client


@cache
def table() -> TableClient:
    connection = os.environ.get(STORAGE)
    if connection:
        client = TableClient.from_connection_string(connection, TABLE)
    else:
        client = TableClient(_url("table"), TABLE, credential=DefaultAzureCredential())
    _create(client.create_table)
    return client


def _url(service: str) -> str:
    account = os.environ.get(f"{STORAGE}__accountName")
    if not account:
        raise RuntimeError(
            f"Set {STORAGE}__accountName to the name of the storage account that the app's identity may use, "
            f"or {STORAGE} to a connection string."
        )
    return f"https://{account}.{service}.core.windows.net"


def _create(create: Any) -> None:
    try:
        create()
    except ResourceExistsError:
        logging.debug("It is there already.")
