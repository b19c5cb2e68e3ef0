# Registers the API in Microsoft Entra, or brings an existing registration up to date; safe to run twice.
#
#   infra/scripts/register-app.ps1
#
# The PowerShell twin of register-app.sh, where the rules are explained.
#Requires -Version 7.4
. (Join-Path $PSScriptRoot 'az.ps1')
$Needs = 'the Entra role Application Administrator, Cloud Application Administrator or Application Developer'

$CliOfAz = '04b07795-8ddb-461a-bbee-02f9e1bf7b46' # the same in every tenant; may ask for tokens on behalf of its user
$Scope = @{
    id = '184614c4-6e02-4462-86fc-2a4a38b7bee9'; value = 'user_impersonation'; type = 'Admin'; isEnabled = $true
    adminConsentDisplayName = 'Call Tenant Hooks'
    adminConsentDescription = 'Call Tenant Hooks as the signed-in user, with the app roles of that user.'
    userConsentDisplayName = 'Call Tenant Hooks'; userConsentDescription = 'Call Tenant Hooks as you, with your app roles.'
}
$OurRoles = @(Get-Content -Raw -LiteralPath (Join-Path $PSScriptRoot 'app-roles.json') | ConvertFrom-Json -AsHashtable)

# The registration with all that is looked at below; nothing where there is none yet.
function Find-Application([string] $Client, [string] $Title) {
    if ($Client) {
        $found = Invoke-Graph 'Reading the app registration' Get "applications(appId='$Client')"
        if ($found -is [string]) {
            Write-Failure "ENTRA_CLIENT_ID is $Client, and the tenant $Tenant has no such app registration. Correct it, or let one be made: azd env set ENTRA_CLIENT_ID ''"
        }
        return $found
    }
    $filter = [uri]::EscapeDataString("displayName eq '$Title'")
    $found = @((Assert-Answer (Invoke-Graph 'Looking for the app registration' Get "applications?`$filter=$filter")).value)
    if ($found.Count -gt 1) {
        Write-Failure "the tenant $Tenant has several app registrations named $Title. Say which: azd env set ENTRA_CLIENT_ID <application id>"
    }
    $found = $found | Select-Object -First 1
    if ($found) { Confirm-Ours $found $Title }
    return $found
}

# Ends the script unless the registration that was found by its name is of the account that is signed in.
function Confirm-Ours($Application, [string] $Title) {
    if ((Assert-Answer (Invoke-Az 'Reading the account' @('account', 'show'))).user.type -cne 'user') {
        Write-NotOurs $Application $Title "only a person's account can own one, and az is signed in as an application"
    }
    $me = (Assert-Answer (Invoke-Graph 'Reading who is signed in' Get 'me')).id
    $owners = @((Assert-Answer (Invoke-Graph 'Reading the owners' Get "applications/$($Application.id)/owners")).value)
    if ($me -cnotin $owners.id) { Write-NotOurs $Application $Title 'the account that is signed in is not among its owners' }
    if ($Application.signInAudience -cne 'AzureADMyOrg') {
        Write-NotOurs $Application $Title "it lets in accounts of other tenants ($($Application.signInAudience))"
    }
    $federated = @((Assert-Answer (Invoke-Graph 'Reading the federated credentials' Get "applications/$($Application.id)/federatedIdentityCredentials")).value)
    if (@(@($Application.passwordCredentials) + @($Application.keyCredentials) + $federated | Where-Object { $_ }).Count) {
        Write-NotOurs $Application $Title 'it has credentials, so that somebody can act as it'
    }
}

function Write-NotOurs($Application, [string] $Title, [string] $Why) {
    $client = $Application.appId
    Write-Failure "the tenant $Tenant has an app registration named $Title already, $client, and $Why. Anybody in the tenant can make one of this name, and its owners give out its roles. If it is the one to use, name it: azd env set ENTRA_CLIENT_ID $client. If not, delete it, or give the azd environment another name."
}

function Set-Application([string] $Doing, [string] $Object, [hashtable] $Change) {
    $null = Assert-Answer (Wait-ForEntra { Invoke-Graph $Doing Patch "applications/$Object" $Change })
}

# Our roles under the ids they have there, and whatever else there is: Graph refuses to lose an enabled role.
function Update-Roles($Application) {
    $wrong = @()
    $ours = foreach ($role in $OurRoles) {
        $there = $Application.appRoles | Where-Object { $_.value -ceq $role.value } | Select-Object -First 1
        if (-not ($there -and $there.isEnabled -and @($there.allowedMemberTypes).Count -eq 2)) { $wrong += $role.value }
        if ($there) { $role.id = $there.id }
        $role
    }
    if (-not $wrong) { Write-Output 'App roles unchanged'; return }
    $others = @($Application.appRoles | Where-Object { $_ -and $_.value -cnotin $OurRoles.value })
    Set-Application 'Setting the app roles' $Application.id @{ appRoles = @($ours) + $others }
    Write-Output "Set the app roles $wrong"
}

# Token version, identifier URI, and the scope with the Azure CLI allowed to use it; in this order, because Graph
# refuses to allow a scope that it does not hold yet.
function Update-Api($Application) {
    $client = $Application.appId
    $scopes = @($Application.api.oauth2PermissionScopes | Where-Object { $_ })
    $there = $scopes | Where-Object { $_.value -ceq $Scope.value } | Select-Object -First 1
    if ($Application.api.requestedAccessTokenVersion -ne 2 -or -not $there -or $there.type -cne 'Admin') {
        if ($there) { $Scope.id = $there.id }
        $scopes = @($Scope) + @($scopes | Where-Object { $_.value -cne $Scope.value })
        $there = $Scope
        Set-Application 'Setting the token version and the scope' $Application.id @{ api = @{ requestedAccessTokenVersion = 2; oauth2PermissionScopes = $scopes } }
        Write-Output "Set access tokens to version 2, and the scope $($Scope.value), to which admins consent"
    }
    if ("api://$client" -cnotin $Application.identifierUris) {
        Set-Application 'Setting the identifier URI' $Application.id @{ identifierUris = @("api://$client") + @($Application.identifierUris) }
        Write-Output "Set the identifier URI api://$client"
    }
    $clients = @($Application.api.preAuthorizedApplications | Where-Object { $_ })
    if ($CliOfAz -notin $clients.appId) {
        $allowed = @{ appId = $CliOfAz; delegatedPermissionIds = @($there.id) }
        Set-Application 'Allowing the Azure CLI' $Application.id @{ api = @{ preAuthorizedApplications = @($allowed) + $clients } }
        Write-Output 'Allowed the Azure CLI to ask for tokens on behalf of its user'
    }
}

# The console's address, exact to the slash, among those of single-page apps; other people's stay.
function Update-Console($Application) {
    $there = @($Application.spa.redirectUris | Where-Object { $_ })
    foreach ($address in @((Get-Setting API_URL), (Get-Setting PUBLIC_URL)) | Where-Object { $_ }) {
        $uri = $address.TrimEnd('/') + '/console/'
        if ($uri -cin $there) { Write-Output "Console address unchanged: $uri"; continue }
        $there = @($uri) + $there
        Set-Application 'Setting the address of the console' $Application.id @{ spa = @{ redirectUris = $there } }
        Write-Output "Set the console address $uri"
    }
}

function Confirm-ServicePrincipal([string] $Client) {
    $found = Invoke-Graph 'Reading the service principal' Get "servicePrincipals(appId='$Client')"
    if ($found -isnot [string]) { Write-Output 'Service principal unchanged'; return }
    $null = Assert-Answer (Wait-ForEntra { Invoke-Graph 'Making the service principal' Post servicePrincipals @{ appId = $Client } })
    Write-Output 'Made the service principal'
}

if ($args) { Write-Failure 'usage: register-app.ps1' }
if ((Get-Setting ENTRA_REGISTER) -ceq 'false') {
    if (-not (Get-Setting ENTRA_CLIENT_ID)) {
        Write-Failure 'ENTRA_REGISTER is false, so ENTRA_CLIENT_ID must name the app registration: azd env set ENTRA_CLIENT_ID <application id>'
    }
    Write-Output 'App registration: left as it is, because ENTRA_REGISTER is false'
    exit 0
}
Connect-Az
$environment = Get-Setting AZURE_ENV_NAME
$title = if ($environment) { "Tenant Hooks ($environment)" } else { 'Tenant Hooks' }
$application = Find-Application (Get-Setting ENTRA_CLIENT_ID) $title
if ($application) {
    Write-Output "Found the app registration $($application.appId)"
    Update-Roles $application
}
else {
    $application = Assert-Answer (Invoke-Graph 'Making the app registration' Post applications @{
            displayName = $title; signInAudience = 'AzureADMyOrg'; appRoles = $OurRoles
            api = @{ requestedAccessTokenVersion = 2; oauth2PermissionScopes = @($Scope) }
        })
    Write-Output "Made the app registration $title with the app roles $($OurRoles.value)"
}
Update-Api $application
Update-Console $application
Confirm-ServicePrincipal $application.appId
Save-Setting ENTRA_CLIENT_ID $application.appId
Save-Setting ENTRA_TENANT_ID $Tenant
Write-Output "App registration ready: application (client) id $($application.appId), audience api://$($application.appId), tenant $Tenant"
exit 0
