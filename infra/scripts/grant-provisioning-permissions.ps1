# Gives the app's managed identity what it takes to make workspaces; safe to run twice.
#
#   infra/scripts/grant-provisioning-permissions.ps1 KIND… [OBJECT-ID]
#
# The PowerShell twin of grant-provisioning-permissions.sh. KIND: teams, groups, sites or yammer, one or more. OBJECT-ID is
# the identity's object (principal) id; by default the one that azd deployed. These are rights over every group, or every
# site, of the tenant: docs/provisioning.md.
#Requires -Version 7.4
. (Join-Path $PSScriptRoot 'az.ps1')
$Needs = 'the Entra role Privileged Role Administrator: these are permissions on the whole tenant'

$MicrosoftGraph = '00000003-0000-0000-c000-000000000000' # the same in every tenant
$SharePoint = '00000003-0000-0ff1-ce00-000000000000'
$PermissionsOf = @{
    teams = 'Group.ReadWrite.All', 'User.Read.All', 'Sites.Read.All'
    groups = 'Group.ReadWrite.All', 'User.Read.All', 'Sites.Read.All'
    sites = 'User.Read.All', 'Sites.Read.All'
    yammer = 'Community.ReadWrite.All', 'Group.ReadWrite.All', 'User.Read.All', 'Sites.Read.All'
}

function Write-Usage { Write-Failure 'usage: grant-provisioning-permissions.ps1 KIND… [OBJECT-ID], for example: grant-provisioning-permissions.ps1 teams sites. KIND is teams, groups, sites or yammer' }

# Gives each of the permissions of a service, an application of Microsoft's.
function Grant-Permissions([string] $Name, [string] $Application, [string[]] $Permissions) {
    $service = Assert-Answer (Invoke-Graph "Reading $Name" Get "servicePrincipals(appId='$Application')")
    foreach ($permission in $Permissions | Sort-Object -Unique) {
        $role = $service.appRoles | Where-Object { $_.value -ceq $permission -and 'Application' -cin $_.allowedMemberTypes } | Select-Object -First 1
        if (-not $role) { Write-Failure "$Name of this cloud has no application permission $permission." }
        Grant-AppRole $principal $service.id $role.id "$permission of $Name to $principal"
    }
}

$kinds = @()
$given = ''
foreach ($word in $args) {
    if ($word -cin $PermissionsOf.Keys) { $kinds += $word }
    elseif (-not $given -and $kinds.Count -gt 0) { $given = $word }
    else { Write-Usage }
}
if ($kinds.Count -eq 0) { Write-Usage }

Connect-Az
$principal = if ($given) { $given } else { Get-Setting APP_IDENTITY_PRINCIPAL_ID }
if (-not $principal) { Write-Failure 'there is no managed identity yet: deploy with azd up first, or give the object id of the identity.' }
if (-not (Test-Guid $principal)) { Write-Failure "$principal is not an object id (a GUID)." }
Grant-Permissions 'Microsoft Graph' $MicrosoftGraph @($kinds | ForEach-Object { $PermissionsOf[$_] })
if ($kinds -ccontains 'sites') { Grant-Permissions 'SharePoint' $SharePoint @('Sites.FullControl.All') }
Write-Output "Workspaces can be made with the app's next token: at once where it has asked for none yet, else within a day."
exit 0
