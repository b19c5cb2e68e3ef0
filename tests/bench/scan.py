"""A storage scan of a large tenant: memory and time beside a bare pass over the same CSV file, and writes to tables.
Graph is the stand-in, in a process of its own."""

import csv
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench.costs import cpu_seconds_of, memory_mib, peak_kib, run_timer
from bench.figures import Report, Target
from bench.ledger import balance
from bench.rig import Rig, Step
from bench.sizes import Sizes
from e2e.api import Api
from e2e.hosting import Host, Process, Record
from local.m365.tenant import Crowd, Tenant, report
from shared.model.thresholds import Thresholds
from shared.settings import read_settings
from shared.usage.report import read_report

PATH, SEED = "/scan", 7
NEAR_SHARE = 1000
"""One site in so many is near a threshold."""

WRITE = re.compile(r"(POST|PUT|PATCH|MERGE|DELETE) (sites|events)")


def run(rig: Rig, sizes: Sizes, step: Step) -> Report:
    """The pass over the report is repeated in this process; the whole scan is made twice, in a host."""
    told = Report("scan")
    near = sizes.sites // NEAR_SHARE
    _measure_passes(rig, sizes, step, told)
    command = [sys.executable, "-m", "local.m365.graph", f"--sites={sizes.sites}", f"--near={near}", f"--seed={SEED}"]
    graph = Process(command, {})
    try:
        address = graph.wait_for_line("GRAPH_BASE_URL=").partition("=")[2]
        token = graph.wait_for_line("GRAPH_ACCESS_TOKEN=").partition("=")[2]
        _measure_scans(rig, {"GRAPH_BASE_URL": address, "GRAPH_ACCESS_TOKEN": token}, near, told)
    finally:
        graph.kill()
    step()
    return told


def _measure_passes(rig: Rig, sizes: Sizes, step: Step, told: Report) -> None:
    files = {count: _write(rig.folder, count) for count in (sizes.sites, sizes.sites // 10)}
    settings = read_settings(rig.settings)
    near = Thresholds(default=settings.storage_thresholds).near(settings.storage_hysteresis)

    def read(file: Path) -> None:
        with file.open(encoding="utf-8-sig", newline="") as text:
            assert len(read_report(text, near, ()).kept) >= sizes.sites // NEAR_SHARE // 10

    def bare(file: Path) -> None:
        with file.open(encoding="utf-8-sig", newline="") as text:
            for _ in csv.reader(text):
                pass

    whole = files[sizes.sites]
    taken = []
    for repeat in range(1 + sizes.repeats):
        pair = cpu_seconds_of(partial(read, whole)), cpu_seconds_of(partial(bare, whole))
        taken += [pair] if repeat else []
        step()
    told.add(f"reading a report of {sizes.sites:,} sites", "s", [ours for ours, _ in taken])
    told.add("a bare pass of csv.reader", "s", [bare for _, bare in taken])
    told.add("ratio of the two", "", [ours / bare for ours, bare in taken], Target("most", 2))
    for count, file in sorted(files.items()):
        told.add(f"traced memory at its peak, {count:,} sites", "KiB", [peak_kib(partial(read, file))])


def _measure_scans(rig: Rig, settings: dict[str, str], near: int, told: Report) -> None:
    first = rig.receiver.count()
    with rig.app(**settings) as (host, api):
        rig.register(api, PATH, "storage.*")
        memory, before = memory_mib(host), rig.transactions()
        seconds, record = _scan(host, api)
        keys = [line["idempotencyKey"] for line in host.found("event.published")]
        arrivals = rig.receiver.since(first, len(keys))
        rig.wait_until_empty()
        after = rig.transactions()
        told.void += balance({(PATH, key) for key in keys}, [(each.path, each.key) for each in arrivals]).faults
        if not record["exceeded"] == len(set(keys)) == len(keys) == near:
            told.void.append(f"{near} sites are over a threshold, {record['exceeded']} crossings were found")
        told.add("first scan: crossings published", "", [len(keys)])
        told.add("first scan", "s", [seconds])
        told.add("first scan: table writes a crossing", "", [_writes(after - before) / max(1, len(keys))])
        quiet_seconds, _ = _scan(host, api)
        told.add("scan of unchanged data", "s", [quiet_seconds])
        told.add("growth of the host's memory over both", "MiB", [memory_mib(host) - memory])
    told.add("scan of unchanged data: table writes", "", [_writes(rig.transactions() - after)])


def _scan(host: Host, api: Api) -> tuple[float, Record]:
    return run_timer(host, api, "scan_storage", "storage.scanned", within=600)


def _writes(spent: Counter[str]) -> int:
    """Of tables: what Azurite answered to writes of rows. Deliveries that arrive meanwhile write theirs too."""
    return sum(count for kind, count in spent.items() if WRITE.match(kind))


def _write(folder: Path, sites: int) -> Path:
    tenant = Tenant(crowd=Crowd(sites, sites // NEAR_SHARE, SEED))
    file = folder / f"usage-{sites}.csv"
    day = datetime.now(UTC).date()
    with file.open("wb") as written:
        written.writelines(report(tenant, day, concealed=False, shuffled=False, byte_order_mark=True))
    return file
