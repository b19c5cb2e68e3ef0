// Loaded into an Azurite that keeps its data in memory. Once a minute such a one collects the contents of deleted
// messages, and sorts all its indexes anew for each of them: a thousand take a second, three thousand more than a minute,
// and all that time nobody is answered. So it keeps them, about a kilobyte a message.
const path = require("node:path");

const LONGEST_MS = 2 ** 31 - 1;
require(path.join(path.dirname(process.argv[1]), "queue", "utils", "constants.js")).DEFAULT_GC_INTERVAL_MS = LONGEST_MS;
