# Sees to it that the Key Vault of this azd environment has a SECRETS_KEY, and that nothing ever replaces it.
#
#   infra/scripts/secrets-key.ps1           before provisioning: makes a key when the vault has none
#   infra/scripts/secrets-key.ps1 forget    after provisioning: takes it out of the azd environment again
#
# The PowerShell twin of secrets-key.sh, where the rules are explained.
#Requires -Version 7.4
param([string] $Step = '')
. (Join-Path $PSScriptRoot 'az.ps1')
$Needs = 'Reader on the subscription, and to deploy Contributor and Role Based Access Control Administrator'

$Secret = 'SECRETS-KEY' # the name in the vault, where an underscore is not allowed: infra/modules/keyvault.bicep
$ApiVersion = 'api-version=2025-05-01'

# The resource id of this environment's vault; empty where there is none.
function Find-Vault {
    # az keyvault list
    $vaults = Assert-Answer (Invoke-Az 'Looking for the Key Vault' @('keyvault', 'list', '--resource-type', 'vault', '--subscription', $Subscription))
    $found = @($vaults | Where-Object { $_.tags.'azd-env-name' -ceq $Environment })
    if ($found.Count -gt 1) {
        Write-Failure "several Key Vaults carry the tag azd-env-name=$Environment, so it is not plain which one holds the key: $($found.id)"
    }
    return "$($found.id)"
}

function Test-VaultHasKey {
    if (-not $Vault) { return $false }
    $answer = Invoke-Service 'Looking for the key' Get "$Manager$Vault/secrets/$Secret`?$ApiVersion" "$Manager/"
    if ($answer -is [string]) { return $false }
    if (-not $answer.id) { Write-Failure 'Looking for the key failed. The answer is of no secret: it has no id. Run this again.' }
    return $true
}

# The name of this environment's vault where it is deleted but not gone; empty otherwise.
function Get-DeletedVault {
    # az keyvault list-deleted
    $deleted = Assert-Answer (Invoke-Az 'Looking for a deleted Key Vault' @('keyvault', 'list-deleted', '--resource-type', 'vault', '--subscription', $Subscription))
    $found = @($deleted | Where-Object { $_.properties.tags.'azd-env-name' -ceq $Environment -and $_.properties.location -ceq $Location })
    return "$($found.name)"
}

function New-Key {
    $bytes = [byte[]]::new(32)
    [System.Security.Cryptography.RandomNumberGenerator]::Fill($bytes)
    $key = [Convert]::ToBase64String($bytes).Replace('+', '-').Replace('/', '_')
    $file = New-TemporaryFile
    try {
        Set-Content -LiteralPath $file.FullName -Value "SECRETS_KEY=`"$key`""
        $null = azd env set --file $file.FullName --environment $Environment
        if ($LASTEXITCODE -ne 0) { Write-Failure 'azd could not keep the key. Update azd: it must know azd env set --file.' }
    }
    finally { Remove-Item -LiteralPath $file.FullName }
}

# In the azd environment, where it is another.
function Set-Setting([string] $Name, [string] $Value) {
    if ((Get-Setting $Name) -ceq $Value) { return }
    $null = azd env set $Name $Value --environment $Environment
    if ($LASTEXITCODE -ne 0) { Write-Failure "azd could not set $Name." }
}

function Initialize-Key {
    if (Test-VaultHasKey) {
        Set-Setting SECRETS_KEY ''
        Set-Setting RECOVER_KEY_VAULT 'false'
        Write-Output "SECRETS_KEY: kept as it is in $(Split-Path -Leaf $Vault)"
        return
    }
    $deleted = if ($Vault) { '' } else { Get-DeletedVault }
    if ($deleted) {
        Set-Setting SECRETS_KEY ''
        Set-Setting RECOVER_KEY_VAULT 'true'
        Write-Output "SECRETS_KEY: the vault $deleted of this environment is deleted but not gone; provisioning brings it back with its key"
        return
    }
    Set-Setting RECOVER_KEY_VAULT 'false'
    if (Get-Setting SECRETS_KEY) {
        Write-Output 'SECRETS_KEY: goes to the vault as it is in the azd environment (given, or left by a deployment that did not end)'
        return
    }
    New-Key
    Write-Output 'SECRETS_KEY: made one; it goes to the vault with this deployment'
}

function Clear-Key {
    if (-not (Test-VaultHasKey)) {
        Write-Failure "the Key Vault has no secret $Secret, so the app cannot start. Run azd provision again; the key is still in the azd environment."
    }
    Set-Setting SECRETS_KEY ''
    Set-Setting RECOVER_KEY_VAULT 'false'
    Write-Output "SECRETS_KEY: in $(Split-Path -Leaf $Vault), and not in the azd environment"
}

if ($args -or $Step -cnotin '', 'forget') { Write-Failure 'usage: secrets-key.ps1 [forget]' }
$Environment = Get-Setting AZURE_ENV_NAME
$Subscription = Get-Setting AZURE_SUBSCRIPTION_ID
$Location = Get-Setting AZURE_LOCATION
if (-not ($Environment -and $Subscription -and $Location)) {
    Write-Failure 'this runs as a hook of azd. By hand: select an azd environment with a subscription and a location first (azd env select).'
}
if (-not (Get-Command azd -ErrorAction Ignore)) { Write-Failure 'azd is not on the PATH. Install it from https://aka.ms/azd.' }
Connect-Az
$Vault = Find-Vault
if ($Step -ceq 'forget') { Clear-Key } else { Initialize-Key }
exit 0
