# The azd hook after provisioning.
#Requires -Version 7.4
& (Join-Path $PSScriptRoot 'secrets-key.ps1') forget
if ($LASTEXITCODE) { exit $LASTEXITCODE }
if ($env:ENTRA_REGISTER -cne 'false') {
    # the address is known only now: the console's sign-in comes back to it
    $null = & (Join-Path $PSScriptRoot 'register-app.ps1')
    if ($LASTEXITCODE) { exit $LASTEXITCODE }
}
Write-Output @'
Next, once, by somebody who may:
  infra/scripts/grant-role.ps1 Point.Admin me       lets you call the API, and see the console at /console/
  infra/scripts/grant-graph-permissions.ps1         lets the app read SharePoint storage usage
  infra/scripts/grant-sharing-permissions.ps1       lets the app read what is shared, with WATCH_SHARING=true
  infra/scripts/grant-provisioning-permissions.ps1 KIND…  lets the app make workspaces, with PROVISIONING_KINDS
docs/deployment.md goes on from here.
'@
exit 0
