#!/usr/bin/env bash
# Registers the API in Microsoft Entra, or brings an existing registration up to date; safe to run twice.
#
#   infra/scripts/register-app.sh
#
# Keeps ENTRA_CLIENT_ID and ENTRA_TENANT_ID in the azd environment. With ENTRA_CLIENT_ID set, that registration is used;
# without it, one of the name that this script gives, but only where the signed-in account owns it: see require_ours.
# With ENTRA_REGISTER=false nothing is looked at: somebody else has made the registration, or the caller may not read
# Entra (a pipeline). After provisioning the address of the app is known (API_URL, or PUBLIC_URL), and the console there is
# told to Entra as a place to come back to from a sign-in.
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=infra/scripts/az.sh
source "$here/az.sh"
NEEDS='the Entra role Application Administrator, Cloud Application Administrator or Application Developer'

CLI_OF_AZ='04b07795-8ddb-461a-bbee-02f9e1bf7b46' # the same in every tenant; may ask for tokens on behalf of its user
SCOPE_ID='184614c4-6e02-4462-86fc-2a4a38b7bee9'
SCOPE='user_impersonation'

# Sets `object`, `client` and `title`; empty ids where there is no such registration yet.
find_application() {
  local found audience passwords keys
  client="$(setting ENTRA_CLIENT_ID)"
  title="Tenant Hooks ($(setting AZURE_ENV_NAME))"
  title="${title% ()}"
  object=""
  if [[ -n "$client" ]]; then
    found=0
    object="$(ask 'Reading the app registration' get "applications(appId='$client')?\$select=id" --query id --output tsv)" || found=$?
    [[ $found -ne $NOT_FOUND ]] || fail "ENTRA_CLIENT_ID is $client, and the tenant $tenant has no such app registration. Correct it, or let one be made: azd env set ENTRA_CLIENT_ID ''"
    [[ $found -eq 0 ]] || exit "$found"
    return
  fi
  found="$(must ask 'Looking for the app registration' get applications \
    --url-parameters "\$filter=displayName eq '$title'" "\$select=id,appId,signInAudience,passwordCredentials,keyCredentials" \
    --query 'value[].[id, appId, signInAudience, to_string(length(passwordCredentials)), to_string(length(keyCredentials))]' --output tsv)"
  [[ "$found" != *$'\n'* ]] || fail "the tenant $tenant has several app registrations named $title. Say which: azd env set ENTRA_CLIENT_ID <application id>"
  read -r object client audience passwords keys <<<"$found" || true
  [[ -z "$object" ]] || require_ours "$audience" "$passwords" "$keys"
}

# require_ours AUDIENCE PASSWORDS KEYS: ends the script unless the registration that was found by its name is of the account
# that is signed in. Anybody in the tenant may make one of this name beforehand, and whoever owns the registration gives
# out its roles: this app would let in whom they please.
require_ours() {
  local kind me owners federated
  kind="$(must call 'Reading the account' account show --query user.type --output tsv)"
  [[ "$kind" == user ]] || not_ours "only a person's account can own one, and az is signed in as an application"
  me="$(must ask 'Reading who is signed in' get me --query id --output tsv)"
  owners="$(must ask 'Reading the owners' get "applications/$object/owners?\$select=id" --query 'value[].id' --output tsv)"
  grep -qxF "$me" <<<"$owners" || not_ours "the account that is signed in is not among its owners"
  [[ "$1" == AzureADMyOrg ]] || not_ours "it lets in accounts of other tenants ($1)"
  federated="$(must ask 'Reading the federated credentials' get "applications/$object/federatedIdentityCredentials?\$select=id" --query 'length(value)' --output tsv)"
  [[ "$2 $3 $federated" == '0 0 0' ]] || not_ours "it has credentials, so that somebody can act as it"
}

not_ours() {
  fail "the tenant $tenant has an app registration named $title already, $client, and $1. Anybody in the tenant can make one of this name, and its owners give out its roles. If it is the one to use, name it: azd env set ENTRA_CLIENT_ID $client. If not, delete it, or give the azd environment another name."
}

create_application() {
  local made
  made="$(must send 'Making the app registration' post applications \
    "{\"displayName\": \"$title\", \"signInAudience\": \"AzureADMyOrg\", \"api\": $(api), \"appRoles\": $(<"$here/app-roles.json")}" \
    --query '[[id, appId]]' --output tsv)"
  read -r object client <<<"$made"
  say "Made the app registration $title with the app roles $(our_roles | cut -f 1 | paste -s -d ' ' -)"
}

our_roles() { sed -n 's/.*"id": "\([^"]*\)", "value": "\([^"]*\)".*/\2	\1/p' "$here/app-roles.json"; }

# api [SCOPES]: tokens of version 2, and one delegated scope, without which no user can ask for a token. Admins alone
# consent to it: else any application that a user agrees to could call with that user's roles.
api() {
  printf '{"requestedAccessTokenVersion": 2, "oauth2PermissionScopes": [%s]}' "${1:-$(scope)}"
}

# scope [ID]
scope() {
  printf '{"id": "%s", "value": "%s", "type": "Admin", "isEnabled": true, "adminConsentDisplayName": "Call Tenant Hooks", "adminConsentDescription": "Call Tenant Hooks as the signed-in user, with the app roles of that user.", "userConsentDisplayName": "Call Tenant Hooks", "userConsentDescription": "Call Tenant Hooks as you, with your app roles."}' "${1:-$SCOPE_ID}" "$SCOPE"
}

# The registration's app roles as they should be: ours, under the ids they have there, and whatever else there is.
# Graph replaces the whole list, and refuses to lose an enabled role.
roles_wanted() {
  local ours others value id theirs
  ours="$(<"$here/app-roles.json")"
  while IFS=$'\t' read -r value id; do
    theirs="$(awk -F '\t' -v value="$value" '$1 == value { print $2 }' <<<"$1")"
    [[ -z "$theirs" ]] || ours="${ours//$id/$theirs}"
  done <<<"$(our_roles)"
  others="$(must ask 'Reading the app roles' get "applications/$object?\$select=appRoles" \
    --query "appRoles[?!contains(\`[$(our_roles | cut -f 1 | sed 's/.*/"&"/' | paste -s -d , -)]\`, value)]" --output json)"
  others="$(without_brackets "$others")"
  printf '[%s%s]' "$(without_brackets "$ours")" "${others:+, $others}"
}

# without_brackets JSON-ARRAY: what is between them; empty for an empty array.
without_brackets() {
  local inner
  inner="$(printf '%s' "$1" | tr '\n' ' ' | sed -e 's/^ *\[ *//' -e 's/ *\] *$//')"
  printf '%s' "$inner"
}

update_roles() {
  local there value id wrong=''
  there="$(must ask 'Reading the app roles' get "applications/$object?\$select=appRoles" --output tsv \
    --query "appRoles[].[value, id, to_string(isEnabled), join('+', sort(allowedMemberTypes))]")"
  while IFS=$'\t' read -r value id; do
    grep -q "^$value	.*	true	Application+User\$" <<<"$there" || wrong="$wrong $value"
  done <<<"$(our_roles)"
  if [[ -z "$wrong" ]]; then
    say "App roles unchanged"
    return
  fi
  must send 'Setting the app roles' patch "applications/$object" "{\"appRoles\": $(roles_wanted "$there")}" --output none
  say "Set the app roles$wrong"
}

# Token version, identifier URI, and the scope with the Azure CLI allowed to use it; in this order, because Graph
# refuses to allow a scope that it does not hold yet.
update_api() {
  local facts version uri scope_id scope_type allowed uris others clients
  facts="$(must eventually ask 'Reading the registration' get "applications/$object?\$select=api,identifierUris" --output tsv --query "[[
    to_string(api.requestedAccessTokenVersion), to_string(contains(identifierUris, 'api://$client')),
    (api.oauth2PermissionScopes[?value=='$SCOPE'] | [0].id) || 'none', (api.oauth2PermissionScopes[?value=='$SCOPE'] | [0].type) || 'none',
    to_string(length(api.preAuthorizedApplications[?appId=='$CLI_OF_AZ']))]]")"
  read -r version uri scope_id scope_type allowed <<<"$facts"

  if [[ "$version" != 2 || "$scope_type" != Admin ]]; then
    [[ "$scope_id" != none ]] || scope_id="$SCOPE_ID"
    others="$(without_brackets "$(must ask 'Reading the scopes' get "applications/$object?\$select=api" --query "api.oauth2PermissionScopes[?value!='$SCOPE']" --output json)")"
    must send 'Setting the token version and the scope' patch "applications/$object" "{\"api\": $(api "$(scope "$scope_id")${others:+, $others}")}" --output none
    say "Set access tokens to version 2, and the scope $SCOPE, to which admins consent"
  fi
  if [[ "$uri" != true ]]; then
    uris="$(without_brackets "$(must ask 'Reading the identifier URIs' get "applications/$object?\$select=identifierUris" --query identifierUris --output json)")"
    must eventually send 'Setting the identifier URI' patch "applications/$object" "{\"identifierUris\": [\"api://$client\"${uris:+, $uris}]}" --output none
    say "Set the identifier URI api://$client"
  fi
  if [[ "$allowed" == 0 ]]; then
    clients="$(without_brackets "$(must ask 'Reading the clients' get "applications/$object?\$select=api" --query 'api.preAuthorizedApplications' --output json)")"
    must eventually send 'Allowing the Azure CLI' patch "applications/$object" \
      "{\"api\": {\"preAuthorizedApplications\": [{\"appId\": \"$CLI_OF_AZ\", \"delegatedPermissionIds\": [\"$scope_id\"]}${clients:+, $clients}]}}" --output none
    say "Allowed the Azure CLI to ask for tokens on behalf of its user"
  fi
}

# The console's address, exact to the slash, among those of single-page apps; other people's stay.
update_console() {
  local address uri there
  for address in "$(setting API_URL)" "$(setting PUBLIC_URL)"; do
    [[ -n "$address" ]] || continue
    uri="${address%/}/console/"
    there="$(must eventually ask 'Reading the addresses of the console' get "applications/$object?\$select=spa" --query spa.redirectUris --output json)"
    there="$(without_brackets "${there:-[]}")"
    [[ "$there" != null ]] || there=''
    if [[ "$there" == *"\"$uri\""* ]]; then
      say "Console address unchanged: $uri"
      continue
    fi
    must eventually send 'Setting the address of the console' patch "applications/$object" "{\"spa\": {\"redirectUris\": [\"$uri\"${there:+, $there}]}}" --output none
    say "Set the console address $uri"
  done
}

ensure_service_principal() {
  local code=0
  ask 'Reading the service principal' get "servicePrincipals(appId='$client')?\$select=id" --output none || code=$?
  case $code in
    0) say "Service principal unchanged" ;;
    "$NOT_FOUND")
      must eventually send 'Making the service principal' post servicePrincipals "{\"appId\": \"$client\"}" --output none
      say "Made the service principal" ;;
    *) exit "$code" ;;
  esac
}

[[ $# -eq 0 ]] || fail "usage: register-app.sh"
if [[ "$(setting ENTRA_REGISTER)" == false ]]; then
  [[ -n "$(setting ENTRA_CLIENT_ID)" ]] || fail "ENTRA_REGISTER is false, so ENTRA_CLIENT_ID must name the app registration: azd env set ENTRA_CLIENT_ID <application id>"
  say "App registration: left as it is, because ENTRA_REGISTER is false"
  exit 0
fi
require_az
find_application
if [[ -z "$object" ]]; then
  create_application
else
  say "Found the app registration $client"
  update_roles
fi
update_api
update_console
ensure_service_principal
remember ENTRA_CLIENT_ID "$client"
remember ENTRA_TENANT_ID "$tenant"
say "App registration ready: application (client) id $client, audience api://$client, tenant $tenant"
