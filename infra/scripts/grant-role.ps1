# Gives somebody or something an app role of this API; safe to run twice.
#
#   infra/scripts/grant-role.ps1 ROLE PRINCIPAL
#
# The PowerShell twin of grant-role.sh. ROLE: Point.Admin, Point.Publish, Point.Read, Point.Subscribe or Point.Provisioning.
# PRINCIPAL: me, a user name, the Azure resource id of a Logic App, function app or managed identity, or a GUID: the object id
# of a user, group or service principal, or an application (client) id.
#Requires -Version 7.4
param([string] $Role, [string] $Principal)
. (Join-Path $PSScriptRoot 'az.ps1')
$Needs = 'the Entra role Privileged Role Administrator, Cloud Application Administrator or Application Administrator, or ownership of the app registration; and for an Azure resource, Reader on it'

function Write-Usage { Write-Failure 'usage: grant-role.ps1 ROLE PRINCIPAL, for example: grant-role.ps1 Point.Publish /subscriptions/…/workflows/my-flow. PRINCIPAL is me, a user name, an Azure resource id or a GUID' }

# The object id that Entra knows the principal by.
function Get-PrincipalId([string] $Name) {
    if ($Name -ceq 'me') { return (Assert-Answer (Invoke-Graph 'Reading who is signed in' Get me)).id }
    if ($Name.StartsWith('/subscriptions/', [StringComparison]::Ordinal)) { return Get-IdentityOf $Name }
    if ($Name.Contains('@')) {
        return (Assert-Answer (Invoke-Graph "Looking for the user $Name" Get "users/$([uri]::EscapeDataString($Name))")).id
    }
    if (-not (Test-Guid $Name)) { Write-Usage }
    $found = Invoke-Graph "Looking for $Name" Get "directoryObjects/$Name"
    if ($found -is [string]) { $found = Invoke-Graph "Looking for $Name" Get "servicePrincipals(appId='$Name')" }
    if ($found -is [string]) { Write-Failure "the tenant $Tenant knows no user, group, service principal or application $Name." }
    return $found.id
}

# The object id of a resource's managed identity; of the resource itself where it is one.
function Get-IdentityOf([string] $Id) {
    $resource = Invoke-Az "Reading $Id" @('resource', 'show', '--ids', $Id)
    if ($resource -is [string]) { Write-Failure "there is no Azure resource $Id, or this account cannot see it." }
    $found = @($resource.identity.principalId)
    if ($resource.type -eq 'Microsoft.ManagedIdentity/userAssignedIdentities') { $found += $resource.properties.principalId }
    if ($resource.identity.userAssignedIdentities) { $found += @($resource.identity.userAssignedIdentities.Values | ForEach-Object { $_.principalId }) }
    $found = @($found | Where-Object { $_ })
    if ($found.Count -eq 0) { Write-Failure "$Id has no managed identity. Turn one on (Identity in the portal), then run this again." }
    if ($found.Count -gt 1) { Write-Failure "$Id has several managed identities. Give the resource id of the one that calls the API." }
    return $found[0]
}

if (-not $Role -or -not $Principal -or $args) { Write-Usage }
Connect-Az
$client = Get-Setting ENTRA_CLIENT_ID
if (-not $client) { Write-Failure 'ENTRA_CLIENT_ID is not set: run register-app.ps1 first, or set it to the application id of this API.' }
$api = Invoke-Graph 'Reading the service principal of the API' Get "servicePrincipals(appId='$client')"
if ($api -is [string]) { Write-Failure "the tenant $Tenant has no service principal of the application $client`: run register-app.ps1." }
$wanted = $api.appRoles | Where-Object { $_.value -ceq $Role -and $_.isEnabled } | Select-Object -First 1
if (-not $wanted) { Write-Failure "there is no app role $Role. There are Point.Admin, Point.Publish, Point.Read, Point.Subscribe and Point.Provisioning; if it is one of them, run register-app.ps1." }
$found = Get-PrincipalId $Principal
Grant-AppRole $found $api.id $wanted.id "$Role of the application $client to $found"
Write-Output 'Tokens got before do not carry it. A managed identity keeps its token for up to a day.'
exit 0
