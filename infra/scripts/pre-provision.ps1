# The azd hook before provisioning.
#Requires -Version 7.4
& (Join-Path $PSScriptRoot 'register-app.ps1')
if ($LASTEXITCODE) { exit $LASTEXITCODE }
& (Join-Path $PSScriptRoot 'secrets-key.ps1')
exit $LASTEXITCODE
