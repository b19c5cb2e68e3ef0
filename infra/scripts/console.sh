#!/usr/bin/env bash
# The azd hook before packaging: puts the libraries of the console into shared/console/vendor, from npm.
#
#   infra/scripts/console.sh
#
# With CONSOLE=false the app is deployed without its console, and nothing is needed here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ "${CONSOLE:-}" == false ]]; then
  rm -rf shared/console/vendor
  printf '%s\n' 'Console: left out, because CONSOLE is false'
  exit 0
fi
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
  printf '%s\n' 'error: the console needs Node.js 20 or newer with npm to be packaged. Install it from https://nodejs.org, or deploy without the console: azd env set CONSOLE false' >&2
  exit 1
fi
# What is there already, as in a clone that dev.py has set up, is taken as it is: it is checked file by file. Else the two
# packages alone are fetched, into a folder of their own.
if ! node infra/scripts/console.mjs 2>/dev/null; then
  scratch="$(mktemp -d)"
  trap 'rm -rf "$scratch"' EXIT
  node infra/scripts/console.mjs --packages |
    xargs npm install --prefix "$scratch" --ignore-scripts --no-audit --no-fund --silent
  node infra/scripts/console.mjs --from "$scratch"
fi
printf '%s\n' 'Console: its libraries are in shared/console/vendor'
