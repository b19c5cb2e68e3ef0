#!/usr/bin/env bash
# Gives the app's managed identity what it takes to make workspaces; safe to run twice.
#
#   infra/scripts/grant-provisioning-permissions.sh KIND… [OBJECT-ID]
#
# KIND: teams, groups, sites or yammer, one or more. OBJECT-ID is the identity's object (principal) id; by default the one
# that azd deployed. These are rights over every group, or every site, of the tenant: docs/provisioning.md.
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=infra/scripts/az.sh
source "$here/az.sh"
NEEDS='the Entra role Privileged Role Administrator: these are permissions on the whole tenant'

MICROSOFT_GRAPH='00000003-0000-0000-c000-000000000000' # the same in every tenant
SHAREPOINT='00000003-0000-0ff1-ce00-000000000000'

# grant SERVICE APPLICATION PERMISSION…: each one once.
grant() {
  local service="$1" application="$2" permission found resource role
  shift 2
  for permission in $(printf '%s\n' "$@" | sort -u); do
    found="$(must ask "Reading $service" get "servicePrincipals(appId='$application')?\$select=id,appRoles" --output tsv \
      --query "[[id, (appRoles[?value=='$permission' && contains(allowedMemberTypes, 'Application')] | [0].id) || 'none']]")"
    read -r resource role <<<"$found"
    [[ "$role" != none ]] || fail "$service of this cloud has no application permission $permission."
    assign "$principal" "$resource" "$role" "$permission of $service to $principal"
  done
}

usage() { fail "usage: grant-provisioning-permissions.sh KIND… [OBJECT-ID], for example: grant-provisioning-permissions.sh teams sites. KIND is teams, groups, sites or yammer"; }

graph_permissions=() sharepoint_permissions=() given=''
for word in "$@"; do
  case "$word" in
    teams | groups) graph_permissions+=(Group.ReadWrite.All User.Read.All Sites.Read.All) ;;
    sites)
      graph_permissions+=(User.Read.All Sites.Read.All)
      sharepoint_permissions+=(Sites.FullControl.All)
      ;;
    yammer) graph_permissions+=(Community.ReadWrite.All Group.ReadWrite.All User.Read.All Sites.Read.All) ;;
    *)
      [[ -z "$given" && ${#graph_permissions[@]} -gt 0 ]] || usage
      given="$word"
      ;;
  esac
done
[[ ${#graph_permissions[@]} -gt 0 ]] || usage

require_az
principal="${given:-$(setting APP_IDENTITY_PRINCIPAL_ID)}"
[[ -n "$principal" ]] || fail "there is no managed identity yet: deploy with azd up first, or give the object id of the identity."
is_guid "$principal" || fail "$principal is not an object id (a GUID)."
grant 'Microsoft Graph' "$MICROSOFT_GRAPH" "${graph_permissions[@]}"
if [[ ${#sharepoint_permissions[@]} -gt 0 ]]; then
  grant 'SharePoint' "$SHAREPOINT" "${sharepoint_permissions[@]}"
fi
say "Workspaces can be made with the app's next token: at once where it has asked for none yet, else within a day."
