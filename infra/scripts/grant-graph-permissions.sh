#!/usr/bin/env bash
# Gives the app's managed identity the Microsoft Graph permissions that the storage scan needs; safe to run twice.
#
#   infra/scripts/grant-graph-permissions.sh [sites] [OBJECT-ID]
#   infra/scripts/grant-graph-permissions.sh mail MAILBOX [OBJECT-ID]
#
# `sites` gives Sites.Read.All too, with which the identity may read all that is in all sites: there is no smaller
# application permission that lists sites. It is needed where the usage report leaves URLs of sites out (then the scan says
# so), and to confirm crossings (STORAGE_CONFIRM_CROSSINGS). OBJECT-ID is the identity's object (principal) id; by default the one that azd deployed.
#
# `mail` shows how Mail.Send is given for one mailbox alone, such as alerts@contoso.com. It grants nothing: in Entra the
# permission is for every mailbox of the tenant, and Exchange Online, which can bound it, is asked in PowerShell only.
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=infra/scripts/az.sh
source "$here/az.sh"
NEEDS='the Entra role Privileged Role Administrator: these are permissions on the whole tenant'

MICROSOFT_GRAPH='00000003-0000-0000-c000-000000000000' # the same in every tenant
PERMISSIONS='Reports.Read.All ReportSettings.Read.All'
MAILBOX=''

# show_mail_commands OBJECT-ID: what an Exchange admin runs.
show_mail_commands() {
  local client
  client="$(must ask 'Reading the identity' get "servicePrincipals/$1?\$select=appId" --output tsv --query appId)"
  cat <<WORDS
Nothing was changed. An Exchange administrator (role group Organization Management) runs, in PowerShell:

  Install-Module ExchangeOnlineManagement; Connect-ExchangeOnline
  New-ServicePrincipal -AppId $client -ObjectId $1 -DisplayName 'Tenant Hooks'
  New-ManagementScope -Name 'Tenant Hooks mail' -RecipientRestrictionFilter "UserPrincipalName -eq '$MAILBOX'"
  New-ManagementRoleAssignment -App $1 -Role 'Application Mail.Send' -CustomResourceScope 'Tenant Hooks mail'
  Test-ServicePrincipalAuthorization -Identity $1 -Resource $MAILBOX

The last one must say InScope: True. It holds after 30 minutes to 2 hours.
Grant Mail.Send nowhere else: in Entra it would be for every mailbox, whatever Exchange says.
Then: azd env set MAIL_SENDERS $MAILBOX, and azd provision.
WORDS
}

if [[ "${1:-}" == sites ]]; then
  PERMISSIONS="$PERMISSIONS Sites.Read.All"
  shift
fi
if [[ "${1:-}" == mail ]]; then
  MAILBOX="${2:-}"
  [[ "$MAILBOX" =~ ^[A-Za-z0-9][A-Za-z0-9._+-]*@[A-Za-z0-9.-]+$ ]] || fail "usage: grant-graph-permissions.sh mail MAILBOX [OBJECT-ID]"
  shift 2
fi
[[ $# -le 1 ]] || fail "usage: grant-graph-permissions.sh [sites] [OBJECT-ID]"

require_az
principal="${1:-$(setting APP_IDENTITY_PRINCIPAL_ID)}"
[[ -n "$principal" ]] || fail "there is no managed identity yet: deploy with azd up first, or give the object id of the identity."
is_guid "$principal" || fail "$principal is not an object id (a GUID)."
if [[ -n "$MAILBOX" ]]; then
  show_mail_commands "$principal"
  exit 0
fi
for permission in $PERMISSIONS; do
  found="$(must ask 'Reading Microsoft Graph' get "servicePrincipals(appId='$MICROSOFT_GRAPH')?\$select=id,appRoles" --output tsv \
    --query "[[id, (appRoles[?value=='$permission' && contains(allowedMemberTypes, 'Application')] | [0].id) || 'none']]")"
  read -r resource role <<<"$found"
  [[ "$role" != none ]] || fail "Microsoft Graph of this cloud has no application permission $permission."
  assign "$principal" "$resource" "$role" "$permission of Microsoft Graph to $principal"
done
say "The storage scan can read the usage report with its next token: at once where it has asked for none yet, else within a day."
