// Copies what the console needs of other people's code from node_modules to shared/console/vendor, which is in the
// deployment package and never in git. Each file must be the one that console-files.json names by its SHA-256.
//
//   npm ci --omit=dev && node infra/scripts/console.mjs            copies
//   node infra/scripts/console.mjs --write-hashes                  after an upgrade in package.json: names the files anew

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const list = join(root, "infra", "scripts", "console-files.json");
const vendor = join(root, "shared", "console", "vendor");
const files = JSON.parse(readFileSync(list, "utf8"));

function read(path) {
  try {
    return readFileSync(join(root, "node_modules", path));
  } catch {
    console.error(`error: node_modules/${path} is missing. Run: npm ci --omit=dev`);
    process.exit(1);
  }
}

function checked(file) {
  const data = read(file.from);
  const sha256 = createHash("sha256").update(data).digest("hex");
  if (process.argv.includes("--write-hashes")) file.sha256 = sha256;
  if (sha256 !== file.sha256) {
    console.error(`error: node_modules/${file.from} is not the file that console-files.json names. Run: npm ci`);
    process.exit(1);
  }
  return data;
}

const copies = files.map((file) => [join(vendor, file.to), checked(file)]); // all are checked before one is written
mkdirSync(vendor, { recursive: true });
for (const [path, data] of copies) writeFileSync(path, data);
if (process.argv.includes("--write-hashes")) writeFileSync(list, JSON.stringify(files, null, 2) + "\n");
