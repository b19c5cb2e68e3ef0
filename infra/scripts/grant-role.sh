#!/usr/bin/env bash
# Gives somebody or something an app role of this API; safe to run twice.
#
#   infra/scripts/grant-role.sh ROLE PRINCIPAL
#
# ROLE: Point.Admin, Point.Publish, Point.Read, Point.Subscribe or Point.Provisioning. PRINCIPAL, one of:
#   me                           whoever az is signed in as
#   someone@contoso.com          a user
#   /subscriptions/…             the Azure resource id of a Logic App, function app or managed identity
#   a GUID                       the object id of a user, group or service principal, or an application (client) id
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=infra/scripts/az.sh
source "$here/az.sh"
NEEDS='the Entra role Privileged Role Administrator, Cloud Application Administrator or Application Administrator, or ownership of the app registration; and for an Azure resource, Reader on it'

usage() { fail "usage: grant-role.sh ROLE PRINCIPAL, for example: grant-role.sh Point.Publish /subscriptions/…/workflows/my-flow. PRINCIPAL is me, a user name, an Azure resource id or a GUID"; }

# The object id that Entra knows the principal by.
principal_id() {
  local code=0 found
  case "$1" in
    me) must ask 'Reading who is signed in' get me --query id --output tsv ;;
    /subscriptions/*) identity_of "$1" ;;
    *@*) must ask "Looking for the user $1" get "users/${1//#/%23}?\$select=id" --query id --output tsv ;;
    *)
      is_guid "$1" || usage
      found="$(ask "Looking for $1" get "directoryObjects/$1" --query id --output tsv)" || code=$?
      if [[ $code -eq $NOT_FOUND ]]; then
        code=0
        found="$(ask "Looking for $1" get "servicePrincipals(appId='$1')?\$select=id" --query id --output tsv)" || code=$?
        [[ $code -ne $NOT_FOUND ]] || fail "the tenant $tenant knows no user, group, service principal or application $1."
      fi
      [[ $code -eq 0 ]] || exit "$code"
      printf '%s\n' "$found" ;;
  esac
}

# The object id of a resource's managed identity; of the resource itself where it is one.
identity_of() {
  local found code=0
  found="$(call "Reading $1" resource show --ids "$1" --output tsv --query \
    "[identity.principalId, type=='Microsoft.ManagedIdentity/userAssignedIdentities' && properties.principalId, values(identity.userAssignedIdentities || \`{}\`)[].principalId][] | [?@]")" || code=$?
  [[ $code -ne $NOT_FOUND ]] || fail "there is no Azure resource $1, or this account cannot see it."
  [[ $code -eq 0 ]] || exit "$code"
  [[ -n "$found" ]] || fail "$1 has no managed identity. Turn one on (Identity in the portal), then run this again."
  [[ "$found" != *$'\n'* ]] || fail "$1 has several managed identities. Give the resource id of the one that calls the API."
  printf '%s\n' "$found"
}

[[ $# -eq 2 ]] || usage
require_az
client="$(setting ENTRA_CLIENT_ID)"
[[ -n "$client" ]] || fail "ENTRA_CLIENT_ID is not set: run register-app.sh first, or set it to the application id of this API."
code=0
found="$(ask 'Reading the service principal of the API' get "servicePrincipals(appId='$client')?\$select=id,appRoles" \
  --query "[[id, (appRoles[?value=='$1' && isEnabled] | [0].id) || 'none']]" --output tsv)" || code=$?
[[ $code -ne $NOT_FOUND ]] || fail "the tenant $tenant has no service principal of the application $client: run register-app.sh."
[[ $code -eq 0 ]] || exit "$code"
read -r resource role <<<"$found"
[[ "$role" != none ]] || fail "there is no app role $1. There are Point.Admin, Point.Publish, Point.Read, Point.Subscribe and Point.Provisioning; if it is one of them, run register-app.sh."
principal="$(principal_id "$2")"
assign "$principal" "$resource" "$role" "$1 of the application $client to $principal"
say "Tokens got before do not carry it. A managed identity keeps its token for up to a day."
