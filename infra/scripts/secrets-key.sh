#!/usr/bin/env bash
# Sees to it that the Key Vault of this azd environment has a SECRETS_KEY, and that nothing ever replaces it.
#
#   infra/scripts/secrets-key.sh           before provisioning: makes a key when the vault has none
#   infra/scripts/secrets-key.sh forget    after provisioning: takes it out of the azd environment again
#
# The key goes to the vault through the Bicep parameter secretsKey; until then it is in the azd environment's file
# (.azure/<environment>/.env). It is never printed, and never an argument of a command. Whether the vault has one is
# asked of Resource Manager, so nobody needs a right to read secrets, and a vault behind a private endpoint is no
# hindrance. Safe to run twice.
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=infra/scripts/az.sh
source "$here/az.sh"
NEEDS='Reader on the subscription, and to deploy Contributor and Role Based Access Control Administrator'

SECRET='SECRETS-KEY' # the name in the vault, where an underscore is not allowed: infra/modules/keyvault.bicep
API_VERSION='api-version=2025-05-01'

# Sets `vault` to the resource id of this environment's vault; empty where there is none.
find_vault() {
  vault="$(must call 'Looking for the Key Vault' keyvault list --resource-type vault --subscription "$subscription" \
    --query "[?tags.\"azd-env-name\"=='$environment'].id" --output tsv)"
  [[ "$vault" != *$'\n'* ]] || fail "several Key Vaults carry the tag azd-env-name=$environment, so it is not plain which one holds the key: $vault"
}

vault_has_key() {
  local code=0 found
  [[ -n "$vault" ]] || return "$NOT_FOUND"
  found="$(call 'Looking for the key' rest --method get --url "$vault/secrets/$SECRET?$API_VERSION" --query id --output tsv)" || code=$?
  [[ $code -eq 0 ]] || return "$code"
  # az prints what is no JSON as it came, such as the page of a proxy: that is neither a key nor the lack of one.
  [[ "$found" == /subscriptions/* && "$found" != *$'\n'* ]] ||
    fail "Looking for the key failed. What answered is not the service, perhaps a proxy: the answer is of no secret. It begins: ${found:0:200}"
}

# The name of this environment's vault where it is deleted but not gone; empty otherwise.
deleted_vault() {
  must call 'Looking for a deleted Key Vault' keyvault list-deleted --resource-type vault --subscription "$subscription" --output tsv \
    --query "[?properties.tags.\"azd-env-name\"=='$environment' && properties.location=='$location'].name"
}

make_key() {
  (
    umask 077
    # A Fernet key: 32 random bytes in URL-safe base64.
    printf 'SECRETS_KEY="%s"\n' "$(head -c 32 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_')" >"$scratch/key.env"
  )
  azd env set --file "$scratch/key.env" --environment "$environment" >/dev/null || fail "azd could not keep the key. Update azd: it must know azd env set --file."
}

# put NAME VALUE: in the azd environment, where it is another.
put() {
  [[ "$(setting "$1")" == "$2" ]] || azd env set "$1" "$2" --environment "$environment" >/dev/null || fail "azd could not set $1."
}

before_provisioning() {
  local code=0 deleted
  vault_has_key || code=$?
  case $code in
    0)
      put SECRETS_KEY ''
      put RECOVER_KEY_VAULT false
      say "SECRETS_KEY: kept as it is in ${vault##*/}"
      return ;;
    "$NOT_FOUND") ;;
    *) exit "$code" ;;
  esac
  deleted=""
  [[ -n "$vault" ]] || deleted="$(deleted_vault)"
  if [[ -n "$deleted" ]]; then
    put SECRETS_KEY ''
    put RECOVER_KEY_VAULT true
    say "SECRETS_KEY: the vault $deleted of this environment is deleted but not gone; provisioning brings it back with its key"
  elif [[ -n "$(setting SECRETS_KEY)" ]]; then
    put RECOVER_KEY_VAULT false
    say "SECRETS_KEY: goes to the vault as it is in the azd environment (given, or left by a deployment that did not end)"
  else
    put RECOVER_KEY_VAULT false
    make_key
    say "SECRETS_KEY: made one; it goes to the vault with this deployment"
  fi
}

after_provisioning() {
  local code=0
  vault_has_key || code=$?
  [[ $code -ne $NOT_FOUND ]] || fail "the Key Vault has no secret $SECRET, so the app cannot start. Run azd provision again; the key is still in the azd environment."
  [[ $code -eq 0 ]] || exit "$code"
  put SECRETS_KEY ''
  put RECOVER_KEY_VAULT false
  say "SECRETS_KEY: in ${vault##*/}, and not in the azd environment"
}

[[ $# -eq 0 || ($# -eq 1 && "$1" == forget) ]] || fail "usage: secrets-key.sh [forget]"
environment="$(setting AZURE_ENV_NAME)"
subscription="$(setting AZURE_SUBSCRIPTION_ID)"
location="$(setting AZURE_LOCATION)"
[[ -n "$environment" && -n "$subscription" && -n "$location" ]] || fail "this runs as a hook of azd. By hand: select an azd environment with a subscription and a location first (azd env select)."
command -v azd >/dev/null || fail "azd is not on the PATH. Install it from https://aka.ms/azd."
require_az
find_vault
if [[ $# -eq 0 ]]; then before_provisioning; else after_provisioning; fi
