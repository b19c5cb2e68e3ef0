#!/usr/bin/env bash
# The azd hook after provisioning.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
"$here/secrets-key.sh" forget
if [[ "${ENTRA_REGISTER:-}" != false ]]; then
  "$here/register-app.sh" >/dev/null # the address is known only now: the console's sign-in comes back to it
fi
cat <<'END'
Next, once, by somebody who may:
  infra/scripts/grant-role.sh Point.Admin me       lets you call the API, and see the console at /console/
  infra/scripts/grant-graph-permissions.sh         lets the app read SharePoint storage usage
  infra/scripts/grant-sharing-permissions.sh       lets the app read what is shared, with WATCH_SHARING=true
  infra/scripts/grant-provisioning-permissions.sh KIND…  lets the app make workspaces, with PROVISIONING_KINDS
docs/deployment.md goes on from here.
END
