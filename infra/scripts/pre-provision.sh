#!/usr/bin/env bash
# The azd hook before provisioning.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
"$here/register-app.sh"
"$here/secrets-key.sh"
