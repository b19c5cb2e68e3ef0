# What both functions share: the signature, and who may work on an event. Not run by this project's tests.

$ErrorActionPreference = 'Stop' # a request that fails ends the function, and the message comes back
$ToleranceSeconds = 300
$TableName = 'TenantHooksReceived'

# Why the delivery is not to be believed (Standard Webhooks), or $null. $Now is in seconds since 1970.
function Find-Fault([byte[]] $Body, $Headers, [string] $Secret, [long] $Now) {
    $id = [string]$Headers['webhook-id']
    $timestamp = [string]$Headers['webhook-timestamp']
    if ($id -eq '' -or $timestamp -notmatch '\A[0-9]{1,12}\z') { return 'webhook-id or webhook-timestamp is missing' }
    if ([Math]::Abs($Now - [long]$timestamp) -gt $ToleranceSeconds) {
        return 'webhook-timestamp is more than five minutes off'
    }
    $signed = [byte[]]([Text.Encoding]::UTF8.GetBytes("${id}.${timestamp}.") + $Body)
    $mac = [Security.Cryptography.HMACSHA256]::HashData((Get-Key $Secret), $signed)
    $expected = [Text.Encoding]::UTF8.GetBytes('v1,' + [Convert]::ToBase64String($mac))
    $fits = $false
    # Two signatures while a secret is rotated; all are compared, each in constant time (-eq would ignore case).
    foreach ($each in ([string]$Headers['webhook-signature']).Split(' ')) {
        $given = [Text.Encoding]::UTF8.GetBytes($each)
        if ([Security.Cryptography.CryptographicOperations]::FixedTimeEquals($expected, $given)) { $fits = $true }
    }
    if ($fits) { return $null }
    return 'no webhook-signature fits'
}

# The key in a whsec_… secret. Anybody could sign with an empty one.
function Get-Key([string] $Secret) {
    $key = if ($Secret -cmatch '\Awhsec_([A-Za-z0-9+/]+=*)\z') { [Convert]::FromBase64String($Matches[1]) } else { @() }
    if ($key.Length -lt 24) { throw "TENANT_HOOKS_SECRET must be the endpoint's secret, whsec_…" }
    return , [byte[]]$key
}

# Whether this message is the one that works on the event: the first with its key, each time that it comes back.
# The table's bindings cannot tell "new" from "known" in one step, so this asks the Table service itself, as the app's
# managed identity (role Storage Table Data Contributor).
function Test-Claim([string] $Key, [string] $Claim) {
    $table = "https://$env:AzureWebJobsStorage__accountName.table.core.windows.net"
    $headers = @{
        Authorization  = "Bearer $(Get-StorageToken)"
        Accept         = 'application/json;odata=nometadata'
        'x-ms-version' = '2020-12-06'
        'x-ms-date'    = [DateTime]::UtcNow.ToString('R')
    }
    $entity = ConvertTo-Json -Compress @{ PartitionKey = 'event'; RowKey = $Key; Claim = $Claim }
    $put = @{
        Method = 'Post'; Headers = $headers; ContentType = 'application/json'; SkipHttpErrorCheck = $true
        StatusCodeVariable = 'status'
    }
    $said = Invoke-RestMethod @put -Uri "$table/$TableName" -Body $entity
    if ($status -eq 404) {
        # The first event of all: the table is not there yet. 409: another worker was faster.
        $made = Invoke-RestMethod @put -Uri "$table/Tables" -Body (ConvertTo-Json -Compress @{ TableName = $TableName })
        if ($status -notin 201, 204, 409) { throw "The table $TableName cannot be created: $status $made" }
        $said = Invoke-RestMethod @put -Uri "$table/$TableName" -Body $entity
    }
    if ($status -in 201, 204) { return $true }
    if ($status -ne 409) { throw "The table $TableName answered ${status}: $said" }
    $row = "$table/$TableName(PartitionKey='event',RowKey='$([Uri]::EscapeDataString($Key))')"
    $known = Invoke-RestMethod -Method Get -Headers $headers -Uri $row
    return $known.Claim -ceq $Claim
}

function Get-StorageToken {
    $query = 'api-version=2019-08-01&resource=https://storage.azure.com/'
    if ($env:AzureWebJobsStorage__clientId) { $query += "&client_id=$env:AzureWebJobsStorage__clientId" }
    $headers = @{ 'X-IDENTITY-HEADER' = $env:IDENTITY_HEADER }
    return (Invoke-RestMethod -Headers $headers -Uri "${env:IDENTITY_ENDPOINT}?$query").access_token
}

Export-ModuleMember -Function Find-Fault, Test-Claim
