# Gives the app's managed identity the Microsoft Graph permissions that the storage scan needs; safe to run twice.
#
#   infra/scripts/grant-graph-permissions.ps1 [sites] [OBJECT-ID]
#   infra/scripts/grant-graph-permissions.ps1 mail MAILBOX [OBJECT-ID]
#
# The PowerShell twin of grant-graph-permissions.sh, where `sites` and `mail` are explained. OBJECT-ID is the identity's object
# (principal) id; by default the one that azd deployed.
#Requires -Version 7.4
param([string] $First, [string] $Second, [string] $Third)
. (Join-Path $PSScriptRoot 'az.ps1')
$Needs = 'the Entra role Privileged Role Administrator: these are permissions on the whole tenant'

$MicrosoftGraph = '00000003-0000-0000-c000-000000000000' # the same in every tenant
$Permissions = @('Reports.Read.All', 'ReportSettings.Read.All')
$ObjectId = $First
if ($First -ceq 'sites') {
    $Permissions += 'Sites.Read.All'
    $ObjectId = $Second
    $Second = ''
}
$Mailbox = ''
if ($First -ceq 'mail') {
    $Mailbox, $ObjectId, $Second, $Third = $Second, $Third, '', ''
    if ($Mailbox -notmatch '^[A-Za-z0-9][A-Za-z0-9._+-]*@[A-Za-z0-9.-]+$') { Write-Failure 'usage: grant-graph-permissions.ps1 mail MAILBOX [OBJECT-ID]' }
}
if ($args -or $Second -or $Third) { Write-Failure 'usage: grant-graph-permissions.ps1 [sites] [OBJECT-ID]' }

Connect-Az
$principal = if ($ObjectId) { $ObjectId } else { Get-Setting APP_IDENTITY_PRINCIPAL_ID }
if (-not $principal) { Write-Failure 'there is no managed identity yet: deploy with azd up first, or give the object id of the identity.' }
if (-not (Test-Guid $principal)) { Write-Failure "$principal is not an object id (a GUID)." }
if ($Mailbox) {
    $client = (Assert-Answer (Invoke-Graph 'Reading the identity' Get "servicePrincipals/${principal}?`$select=appId")).appId
    Write-Output @"
Nothing was changed. An Exchange administrator (role group Organization Management) runs, in PowerShell:

  Install-Module ExchangeOnlineManagement; Connect-ExchangeOnline
  New-ServicePrincipal -AppId $client -ObjectId $principal -DisplayName 'Tenant Hooks'
  New-ManagementScope -Name 'Tenant Hooks mail' -RecipientRestrictionFilter "UserPrincipalName -eq '$Mailbox'"
  New-ManagementRoleAssignment -App $principal -Role 'Application Mail.Send' -CustomResourceScope 'Tenant Hooks mail'
  Test-ServicePrincipalAuthorization -Identity $principal -Resource $Mailbox

The last one must say InScope: True. It holds after 30 minutes to 2 hours.
Grant Mail.Send nowhere else: in Entra it would be for every mailbox, whatever Exchange says.
Then: azd env set MAIL_SENDERS $Mailbox, and azd provision.
"@
    exit 0
}
$service = Assert-Answer (Invoke-Graph 'Reading Microsoft Graph' Get "servicePrincipals(appId='$MicrosoftGraph')")
foreach ($permission in $Permissions) {
    $role = $service.appRoles | Where-Object { $_.value -ceq $permission -and 'Application' -cin $_.allowedMemberTypes } | Select-Object -First 1
    if (-not $role) { Write-Failure "Microsoft Graph of this cloud has no application permission $permission." }
    Grant-AppRole $principal $service.id $role.id "$permission of Microsoft Graph to $principal"
}
Write-Output 'The storage scan can read the usage report with its next token: at once where it has asked for none yet, else within a day.'
exit 0
