"""The emulator in memory never stops answering to collect the contents of deleted messages."""

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
AZURITE = ROOT / "node_modules" / "azurite" / "dist" / "src"
ONE_DAY_MS = 86_400_000
SCRIPT = """
process.argv[1] = require("node:path").join({azurite}, "azurite.js");
require({preloaded});
const {{ default: Collector }} = require({collector});
console.log(new Collector(null, null, null, () => {{}}).gcIntervalInMS);
"""


def test_an_azurite_in_memory_does_not_collect_within_a_day() -> None:
    """Its collector stopped everything once a minute, for seconds: calls got 503, and latencies a peak."""
    paths = {
        "azurite": AZURITE,
        "preloaded": ROOT / "local" / "keep_extents.cjs",
        "collector": AZURITE / "queue" / "gc" / "QueueGCManager.js",
    }
    script = SCRIPT.format(**{name: json.dumps(str(path)) for name, path in paths.items()})
    found = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert float(found.stdout) > ONE_DAY_MS
