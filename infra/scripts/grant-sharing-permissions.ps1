# Gives the app's managed identity what reading the tenant's sharing needs, and nothing else; safe to run twice.
#
#   infra/scripts/grant-sharing-permissions.ps1 [OBJECT-ID]
#
# The PowerShell twin of grant-sharing-permissions.sh. OBJECT-ID is the identity's object (principal) id; by default the
# one that azd deployed.
#Requires -Version 7.4
param([string] $ObjectId)
. (Join-Path $PSScriptRoot 'az.ps1')
$Needs = 'the Entra role Privileged Role Administrator: these are permissions on the whole tenant'

$ManagementApis = 'c5393580-f805-4401-95e8-94b7a6ef2fc2' # these two are the same in every tenant
$MicrosoftGraph = '00000003-0000-0000-c000-000000000000'

# A tenant that has never used an application does not know it yet.
function Grant-Permission([string] $Application, [string] $Permission, [string] $Name) {
    $service = Invoke-Graph "Reading $Name" Get "servicePrincipals(appId='$Application')"
    if ($service -is [string] -and $service -ceq $NotFound) {
        [void] (Assert-Answer (Invoke-Graph "Adding $Name to the tenant" Post servicePrincipals @{ appId = $Application }))
        $service = Wait-ForEntra { Invoke-Graph "Reading $Name" Get "servicePrincipals(appId='$Application')" }
    }
    $service = Assert-Answer $service
    $role = $service.appRoles | Where-Object { $_.value -ceq $Permission -and 'Application' -cin $_.allowedMemberTypes } | Select-Object -First 1
    if (-not $role) { Write-Failure "$Name of this cloud has no application permission $Permission." }
    Grant-AppRole $principal $service.id $role.id "$Permission of $Name to $principal"
}

if ($args) { Write-Failure 'usage: grant-sharing-permissions.ps1 [OBJECT-ID]' }

Connect-Az
$principal = if ($ObjectId) { $ObjectId } else { Get-Setting APP_IDENTITY_PRINCIPAL_ID }
if (-not $principal) { Write-Failure 'there is no managed identity yet: deploy with azd up first, or give the object id of the identity.' }
if (-not (Test-Guid $principal)) { Write-Failure "$principal is not an object id (a GUID)." }
Grant-Permission $ManagementApis ActivityFeed.Read 'Office 365 Management APIs'
Grant-Permission $MicrosoftGraph Domain.Read.All 'Microsoft Graph'
Write-Output "Sharing can be read with the identity's next token: at once where it has asked for none yet, else within a day."
if ((Get-Setting WATCH_SHARING) -cne 'true') {
    Write-Output 'It is not read yet: azd env set WATCH_SHARING true, and azd provision.'
}
exit 0
