#!/usr/bin/env bash
# Gives the app's managed identity what reading the tenant's sharing needs, and nothing else; safe to run twice.
#
#   infra/scripts/grant-sharing-permissions.sh [OBJECT-ID]
#
# ActivityFeed.Read of the Office 365 Management APIs reads the audit log; Domain.Read.All of Microsoft Graph says which
# domains are the tenant's own. OBJECT-ID is the identity's object (principal) id; by default the one that azd deployed.
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=infra/scripts/az.sh
source "$here/az.sh"
NEEDS='the Entra role Privileged Role Administrator: these are permissions on the whole tenant'

MANAGEMENT_APIS='c5393580-f805-4401-95e8-94b7a6ef2fc2' # these two are the same in every tenant
MICROSOFT_GRAPH='00000003-0000-0000-c000-000000000000'

# grant APPLICATION PERMISSION NAME: a tenant that has never used an application does not know it yet.
grant() {
  local found code=0 resource role
  local query="[[id, (appRoles[?value=='$2' && contains(allowedMemberTypes, 'Application')] | [0].id) || 'none']]"
  found="$(ask "Reading $3" get "servicePrincipals(appId='$1')?\$select=id,appRoles" --output tsv --query "$query")" || code=$?
  if [[ $code -eq $NOT_FOUND ]]; then
    must send "Adding $3 to the tenant" post servicePrincipals "{\"appId\": \"$1\"}" --output none
    code=0
    found="$(must eventually ask "Reading $3" get "servicePrincipals(appId='$1')?\$select=id,appRoles" --output tsv --query "$query")"
  fi
  [[ $code -eq 0 ]] || exit "$code"
  read -r resource role <<<"$found"
  [[ "$role" != none ]] || fail "$3 of this cloud has no application permission $2."
  assign "$principal" "$resource" "$role" "$2 of $3 to $principal"
}

[[ $# -le 1 ]] || fail "usage: grant-sharing-permissions.sh [OBJECT-ID]"

require_az
principal="${1:-$(setting APP_IDENTITY_PRINCIPAL_ID)}"
[[ -n "$principal" ]] || fail "there is no managed identity yet: deploy with azd up first, or give the object id of the identity."
is_guid "$principal" || fail "$principal is not an object id (a GUID)."
grant "$MANAGEMENT_APIS" ActivityFeed.Read 'Office 365 Management APIs'
grant "$MICROSOFT_GRAPH" Domain.Read.All 'Microsoft Graph'
say "Sharing can be read with the identity's next token: at once where it has asked for none yet, else within a day."
if [[ "$(setting WATCH_SHARING)" != true ]]; then
  say "It is not read yet: azd env set WATCH_SHARING true, and azd provision."
fi
