# What the scripts beside this one share: az, azd and Microsoft Graph, and errors that say what to do.
# For bash 3.2 (macOS) and later. Its PowerShell twin is az.ps1.
# shellcheck shell=bash

set -euo pipefail

NOT_FOUND=44
ALREADY_THERE=45
NOT_YET=46
NEEDS='more rights than it has' # each script says which

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

say() { printf '%s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# plain COMPLAINT: the error in words. Microsoft Graph and Resource Manager write it as {"error": {"code": …, "message": …}},
# which az puts into parentheses: of that the code and the message. Every other text stays as it is.
plain() {
  local said
  said="$(printf '%s' "$1" | tr '\n' ' ' | sed -nE \
    's/^[^{]*\{ *"error" *: *\{ *"code" *: *"([^"]*)" *, *"message" *: *"(([^"\]|\\.)*)".*/\1: \2/p' |
    sed -E "s/\\\\u0027/'/g; s/\\\\([\"\\\\/])/\\1/g")"
  printf '%s' "${said:-$1}"
}

# call DOING AZ-ARGUMENTS…: the output of az. Returns NOT_FOUND, ALREADY_THERE or NOT_YET for the caller to handle;
# every other failure is told in words, and returns 1.
call() {
  local doing="$1" complaint
  shift
  if az "$@" --only-show-errors 2>"$scratch/complaint" | tr -d '\r'; then
    return 0
  fi
  complaint="$(<"$scratch/complaint")"
  case "$complaint" in
    *'Permission being assigned already exists'*) return "$ALREADY_THERE" ;;
    *'does not reference a valid application object'*) return "$NOT_YET" ;;
    *Request_ResourceNotFound* | *ResourceNotFound* | *ResourceGroupNotFound* | *SecretNotFound* | *'Not Found('*)
      return "$NOT_FOUND" ;;
  esac
  {
    printf 'error: %s failed. ' "$doing"
    case "$complaint" in
      *'az login'* | *AADSTS*) printf 'az is not signed in, or its sign-in has expired. Run: az login\n' ;;
      *Authorization_RequestDenied* | *'Insufficient privileges'* | *AuthorizationFailed* | *'Forbidden('*)
        printf 'This account may not do it. It needs %s.\n' "$NEEDS" ;;
      *) printf 'az says:\n' ;;
    esac
    printf '%s\n' "$(plain "$complaint")"
  } >&2
  return 1
}

# must COMMAND…: the same where each of those three is a failure too.
must() {
  local code=0 complaint
  "$@" || code=$?
  if [[ $code -gt 1 ]]; then
    complaint="$(<"$scratch/complaint")"
    printf 'error: %s\n' "$(plain "${complaint#ERROR: }")" >&2
    return 1
  fi
  return "$code"
}

# eventually COMMAND…: Entra answers from several copies; what was just made may be unknown to one of them for a while.
eventually() {
  local tries=0 code
  while true; do
    code=0
    "$@" || code=$?
    tries=$((tries + 1))
    if [[ $code -ne $NOT_YET && $code -ne $NOT_FOUND ]] || [[ $tries -ge 6 ]]; then
      return "$code"
    fi
    sleep "${ENTRA_WAIT_SECONDS:-5}"
  done
}

# setting NAME: a value of the azd environment. As an azd hook it is in the environment already.
setting() {
  local value="${!1:-}"
  if [[ -z "$value" ]] && command -v azd >/dev/null; then
    value="$(azd env get-value "$1" 2>/dev/null | tr -d '\r')" || value=""
  fi
  printf '%s' "$value"
}

# remember NAME VALUE: keeps it in the azd environment, or tells how where there is none.
remember() {
  local environment
  environment="$(setting AZURE_ENV_NAME)"
  if [[ -z "$environment" ]]; then
    say "  No azd environment is selected. For azd: azd env set $1 $2"
  elif [[ "$(setting "$1")" != "$2" ]]; then
    azd env set "$1" "$2" --environment "$environment" || fail "azd could not keep $1."
    say "  Set $1=$2 in the azd environment $environment"
  fi
}

# Sets `tenant` and `graph`. Ends the script where az is missing, not signed in, or in another tenant than azd.
require_az() {
  command -v az >/dev/null || fail "the Azure CLI (az) is not on the PATH. Install it from https://aka.ms/azure-cli, then run az login."
  local subscription wanted
  tenant="$(must call 'Reading the account' account show --query tenantId --output tsv)"
  subscription="$(setting AZURE_SUBSCRIPTION_ID)"
  if [[ -n "$subscription" ]]; then
    wanted="$(must call "Reading the subscription $subscription" account show --subscription "$subscription" --query tenantId --output tsv)"
    [[ "$wanted" == "$tenant" ]] || fail "az is signed in to the tenant $tenant, but the subscription $subscription of azd is in $wanted. Run: az account set --subscription $subscription"
  fi
  graph="${GRAPH_ENDPOINT:-}"
  if [[ -z "$graph" ]]; then
    graph="$(must call 'Reading the cloud' cloud show --query endpoints.microsoftGraphResourceId --output tsv)"
  fi
  graph="${graph%/}"
}

# ask DOING METHOD PATH [MORE-AZ-ARGUMENTS…]: one request to Microsoft Graph.
ask() {
  local doing="$1" method="$2" path="$3"
  shift 3
  call "$doing" rest --method "$method" --url "$graph/v1.0/$path" --resource "$graph" "$@"
}

# send DOING METHOD PATH BODY [MORE-AZ-ARGUMENTS…]: the same with a JSON body, from a file: shells quote differently.
send() {
  local doing="$1" method="$2" path="$3"
  printf '%s' "$4" >"$scratch/body.json"
  shift 4
  ask "$doing" "$method" "$path" --headers Content-Type=application/json --body "@$scratch/body.json" "$@"
}

is_guid() { [[ "$1" =~ ^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$ ]]; }

# assign PRINCIPAL RESOURCE ROLE NAME: gives PRINCIPAL the app role of RESOURCE (a service principal); all are object ids.
assign() {
  local code=0
  eventually send "Granting $4" post "servicePrincipals/$2/appRoleAssignedTo" \
    "{\"principalId\": \"$1\", \"resourceId\": \"$2\", \"appRoleId\": \"$3\"}" --output none || code=$?
  case $code in
    0) say "Granted $4" ;;
    "$ALREADY_THERE") say "Already granted: $4" ;;
    "$NOT_FOUND" | "$NOT_YET") fail "Entra does not know the principal $1 (yet): a new identity takes minutes to appear. Check the id, and run this again." ;;
    *) exit "$code" ;;
  esac
}
