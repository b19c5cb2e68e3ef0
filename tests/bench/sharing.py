"""Sharing in the audit feed of a large tenant: time, memory and storage transactions, beside a bare pass of the JSON
parser over the same contents. The feed is the stand-in, in a process of its own."""

import json
import re
import sys
from collections import Counter
from functools import partial

from bench.costs import cpu_seconds_of, memory_mib, peak_kib, run_timer
from bench.figures import Report, Target
from bench.ledger import balance
from bench.rig import Rig, Step
from bench.rig import rig as new_rig
from bench.sizes import Sizes
from doubles.audit_records import TENANT_ID
from e2e.api import Api
from e2e.hosting import Host, Process, Record
from local.m365.file_activity import FileActivity
from shared.sharing.record import is_about_sharing, records_of

PATH = "/sharing"
SHARE_OF_SHARES = 400
"""One record in so many is about sharing."""

RECORDS = 1000
"""In a content."""

READ = re.compile(r"(GET|HEAD) sharing")
WRITE = re.compile(r"(POST|PUT|PATCH|MERGE|DELETE) (sharing|events)")


def run(rig: Rig, sizes: Sizes, step: Step) -> Report:
    """Contents are read in this process; then the whole feed is polled twice, in a host."""
    told = Report("sharing")
    _measure_reading(told, sizes, step)
    shares = sizes.audit_records // SHARE_OF_SHARES
    for records in (sizes.audit_records // 10, sizes.audit_records):
        with new_rig(rig.folder / str(records)) as parts:  # a feed that nobody has polled
            _measure_polls(parts, records, shares, told)
        step()
    return told


def _measure_reading(told: Report, sizes: Sizes, step: Step) -> None:
    activity = FileActivity(contents=20, records=RECORDS, shares=20 * RECORDS // SHARE_OF_SHARES)
    contents = [activity.body(number, TENANT_ID) for number in range(activity.contents)]

    def read(bodies: list[bytes]) -> None:
        for body in bodies:
            for raw in records_of(body):
                is_about_sharing(raw)

    def bare(bodies: list[bytes]) -> None:
        for body in bodies:
            json.loads(body)

    taken = []
    for repeat in range(1 + sizes.repeats):
        pair = cpu_seconds_of(partial(read, contents)), cpu_seconds_of(partial(bare, contents))
        taken += [pair] if repeat else []
        step()
    records = activity.contents * RECORDS
    told.add("records read", "/s", [records / ours for ours, _ in taken])
    told.add("ratio to a bare pass of json.loads", "", [ours / plain for ours, plain in taken], Target("most", 2))
    told.add("a content", "KiB", [len(contents[0]) / 1024])
    for count in (1, 20):
        told.add(
            f"traced memory at its peak, {count} content{'s' if count > 1 else ''}",
            "KiB",
            [peak_kib(partial(read, contents[:count]))],
        )


def _measure_polls(rig: Rig, records: int, shares: int, told: Report) -> None:
    count = max(1, records // RECORDS)
    command = [sys.executable, "-m", "local.m365.graph", f"--contents={count}", f"--shares={shares}", f"--seed={count}"]
    service = Process(command, {})
    first = rig.receiver.count()
    try:
        named = ("MANAGEMENT_BASE_URL", "MANAGEMENT_ACCESS_TOKEN", "GRAPH_BASE_URL", "GRAPH_ACCESS_TOKEN")
        settings = {each: service.wait_for_line(f"{each}=").partition("=")[2] for each in named}
        settings |= {"SHARING_POLL_SCHEDULE": "0 0 0 2 1 *", "TENANT_MICROSOFT_ID": TENANT_ID}
        with rig.app(**settings) as (host, api):
            rig.register(api, f"{PATH}/{count}", "permission.*")
            memory, before = memory_mib(host), rig.transactions()
            seconds, record = _poll(host, api)
            keys = [line["idempotencyKey"] for line in host.found("event.published")]
            grown = memory_mib(host) - memory
            spent = rig.transactions() - before
            arrivals = rig.receiver.since(first, len(keys))
            rig.wait_until_empty()
            quiet_seconds, quiet = _poll(host, api)
    finally:
        service.kill()
    told.void += balance({(f"{PATH}/{count}", key) for key in keys}, [(it.path, it.key) for it in arrivals]).faults
    if not (record["records"] == count * RECORDS and record["published"] == len(set(keys)) and record["complete"]):
        told.void.append(f"{count * RECORDS} records, of which {shares} shares: {record}")
    if quiet["contents"]:
        told.void.append("what was read was read again")
    name = f"{records:,} records"
    told.add(f"{name}: poll", "s", [seconds])
    told.add(f"{name}: published", "", [record["published"]])
    told.add(f"{name}: reads and writes of tables a share", "", [_of_sharing(spent) / max(1, len(keys))])
    told.add(f"{name}: growth of the host's memory", "MiB", [grown])
    told.add(f"{name}: poll without news", "s", [quiet_seconds])


def _poll(host: Host, api: Api) -> tuple[float, Record]:
    return run_timer(host, api, "poll_sharing", "sharing.polled", within=1500)


def _of_sharing(spent: Counter[str]) -> int:
    """What Azurite answered about the tables of sharing, and writes of events."""
    return sum(count for kind, count in spent.items() if READ.match(kind) or WRITE.match(kind))
