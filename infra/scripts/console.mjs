// Copies what the console needs of other people's code from node_modules to shared/console/vendor, which is in the
// deployment package and never in git. Each file must be the one that console-files.json names by its SHA-256.
//
//   node infra/scripts/console.mjs                  copies from the project's node_modules
//   node infra/scripts/console.mjs --from DIR       copies from DIR/node_modules
//   node infra/scripts/console.mjs --packages       tells which packages of package.json that takes
//   node infra/scripts/console.mjs --write-hashes   after an upgrade in package.json: names the files anew

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const list = join(root, "infra", "scripts", "console-files.json");
const vendor = join(root, "shared", "console", "vendor");
const files = JSON.parse(readFileSync(list, "utf8"));
const [asked, folder] = process.argv.slice(2);
const modules = join(asked === "--from" ? folder : root, "node_modules");

function fail(words) {
  console.error(`error: ${words}`);
  process.exit(1);
}

function checked(file) {
  let data;
  try {
    data = readFileSync(join(modules, file.from));
  } catch {
    fail(`node_modules/${file.from} is missing. Run infra/scripts/console.sh (on Windows console.ps1)`);
  }
  const sha256 = createHash("sha256").update(data).digest("hex");
  if (asked === "--write-hashes") file.sha256 = sha256;
  if (sha256 !== file.sha256) fail(`node_modules/${file.from} is not the file that console-files.json names`);
  return data;
}

if (asked === "--packages") {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const names = Object.keys(dependencies).filter((name) => files.some((file) => file.from.startsWith(`${name}/`)));
  console.log(names.map((name) => `${name}@${dependencies[name]}`).join("\n"));
} else {
  const copies = files.map((file) => [join(vendor, file.to), checked(file)]); // all are checked before one is written
  mkdirSync(vendor, { recursive: true });
  for (const [path, data] of copies) writeFileSync(path, data);
  if (asked === "--write-hashes") writeFileSync(list, `${JSON.stringify(files, null, 2)}\n`);
}
