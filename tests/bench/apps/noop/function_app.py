"""What the throughput of the app is compared with: a queue function that receives a message and lets the host delete
it. It prints when, on the monotonic clock."""

import sys
import time

import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger("msg", "deliveries", connection="AzureWebJobsStorage")
def receive(msg: func.QueueMessage) -> None:
    msg.get_body()
    sys.stdout.write(f"received {time.monotonic()}\n")  # in one piece: many threads write
    sys.stdout.flush()
