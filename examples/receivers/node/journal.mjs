// What a receiver must remember, in a file of JSON lines that is only ever appended to. For one process.
//
// Several processes need something shared instead, such as a database table with the id as its primary key. It must do
// the same:
//   waiting              a Map of ids to bodies: accepted before this start, and not ended
//   add(id, body)        true when the id is new. Durable once it resolves: the delivery is then answered 2xx
//   end(id, state)       it is worked off ("done") or given up ("failed"); the id stays known

import { open, readFile, rename } from "node:fs/promises";

const KEEP_IDS_MS = 45 * 24 * 3600 * 1000; // longer than Tenant Hooks keeps a delivery that could be sent again

export async function openJournal(path) {
  const entries = read(await readFile(path, "utf8").catch(emptyIfMissing));
  // Written anew at each start, without the bodies that are done and the ids that are old: it does not grow for ever.
  await writeAnew(path, entries);
  const file = await open(path, "a");
  const adding = new Map();
  let last = Promise.resolve();

  // One after the other, each on disk before it counts. One that fails must not hold up those behind it.
  function append(entry) {
    const written = last.then(async () => {
      await file.appendFile(line(entry));
      await file.datasync();
    });
    last = written.catch(() => {});
    return written;
  }

  return {
    waiting: new Map([...entries.values()].filter(isWaiting).map((entry) => [entry.id, entry.body])),
    async add(id, body) {
      if (entries.has(id)) return false;
      if (adding.has(id)) {
        await adding.get(id); // the same event twice at once: both are answered when it is on disk
        return false;
      }
      const entry = { id, at: Date.now(), body };
      adding.set(id, append(entry));
      try {
        await adding.get(id);
      } finally {
        adding.delete(id);
      }
      entries.set(id, { id });
      return true;
    },
    async end(id, state) {
      await append({ id, at: Date.now(), state });
    },
  };
}

function isWaiting(entry) {
  return entry.state === undefined;
}

// The line break comes first: so a line that a full disk cut short spoils none but itself. It was never answered 2xx.
function line(entry) {
  return `\n${JSON.stringify(entry)}`;
}

function read(text) {
  const entries = new Map();
  for (const each of text.split("\n").map(parse)) {
    if (each !== null) entries.set(each.id, { ...entries.get(each.id), ...each });
  }
  return entries;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function emptyIfMissing(error) {
  if (error.code === "ENOENT") return "";
  throw error;
}

// Failed ones keep their bodies: to have one worked on again, stop the receiver, delete its "failed" line, start again.
async function writeAnew(path, entries) {
  const file = await open(`${path}.new`, "w");
  for (const { body, ...rest } of entries.values()) {
    if (rest.state === "done") {
      if (rest.at > Date.now() - KEEP_IDS_MS) await file.appendFile(line(rest));
    } else {
      await file.appendFile(line({ ...rest, state: undefined, body }));
      if (rest.state === "failed") await file.appendFile(line(rest));
    }
  }
  await file.sync();
  await file.close();
  await rename(`${path}.new`, path);
}
