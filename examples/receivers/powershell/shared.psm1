# What both functions share: the signature, the key of an event, and who may work on it. This project's tests run it
# where there is a pwsh, except for what asks Azure.

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
    # Several signatures while a secret is rotated; all are compared, each in constant time (-eq would ignore case).
    foreach ($each in ([string]$Headers['webhook-signature']).Split(' ')) {
        $given = [Text.Encoding]::UTF8.GetBytes($each)
        if ([Security.Cryptography.CryptographicOperations]::FixedTimeEquals($expected, $given)) { $fits = $true }
    }
    if ($fits) { return $null }
    return 'no webhook-signature fits'
}

# The key in a whsec_… secret. Anybody could sign with an empty one.
function Get-Key([string] $Secret) {
    $key = [byte[]]@()
    if ($Secret -cmatch '\Awhsec_([A-Za-z0-9+/]+=*)\z') {
        try { $key = [Convert]::FromBase64String($Matches[1]) }
        catch { $key = [byte[]]@() } # no base64: told below
    }
    if ($key.Length -lt 24) { throw "TENANT_HOOKS_SECRET must be the endpoint's secret, whsec_…" }
    return , $key
}

# The key of the event (webhook-id) in a message of the queue, exactly as it was sent. The worker's JSON parser makes a
# DateTime of every text that looks like a time, and of 2026-11-22T10:00:00-05:00 another hour: therefore
# ../receive/run.ps1 sends it in base64 as well. The receivers in other languages do not, so that a time must be written
# back here.
function Get-EventKey($Received) {
    if ($Received.webhookIdBase64) {
        return [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($Received.webhookIdBase64))
    }
    if ($Received.webhookId -is [DateTime]) {
        return $Received.webhookId.ToString('yyyy-MM-ddTHH:mm:ssK', [cultureinfo]::InvariantCulture)
    }
    return [string]$Received.webhookId
}

# The name of the storage account. Throws where the setting is missing: without it no event could ever be worked on.
function Get-StorageAccount {
    if (-not $env:AzureWebJobsStorage__accountName) {
        throw 'Set AzureWebJobsStorage__accountName to the name of the storage account that the identity of the app ' +
        'may use. A connection string in AzureWebJobsStorage is not enough for this receiver.'
    }
    return $env:AzureWebJobsStorage__accountName
}

# Whether this message is the one that works on the event: the first with its key, each time that it comes back.
# The table's bindings cannot tell "new" from "known" in one step, so this asks the Table service itself, as the app's
# managed identity (role Storage Table Data Contributor).
function Test-Claim([string] $Key, [string] $Claim) {
    $table = "https://$(Get-StorageAccount).table.core.windows.net"
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
        if ($status -notin 201, 204, 409) { throw "The table $TableName cannot be created: $status $(Format-Json $made)" }
        $said = Invoke-RestMethod @put -Uri "$table/$TableName" -Body $entity
    }
    if ($status -in 201, 204) { return $true }
    if ($status -ne 409) { throw "The table $TableName answered ${status}: $(Format-Json $said)" }
    $row = "$table/$TableName(PartitionKey='event',RowKey='$([Uri]::EscapeDataString($Key))')"
    $known = Invoke-RestMethod -Method Get -Headers $headers -Uri $row
    return $known.Claim -ceq $Claim
}

# As text a parsed answer would be @{odata.error=}, without the reason.
function Format-Json($Answer) { return ConvertTo-Json -Compress -Depth 9 -InputObject $Answer }

function Get-StorageToken {
    if (-not $env:IDENTITY_ENDPOINT) { throw 'The app has no managed identity: turn one on (Identity in the portal).' }
    $query = 'api-version=2019-08-01&resource=https://storage.azure.com/'
    if ($env:AzureWebJobsStorage__clientId) { $query += "&client_id=$env:AzureWebJobsStorage__clientId" }
    $headers = @{ 'X-IDENTITY-HEADER' = $env:IDENTITY_HEADER }
    return (Invoke-RestMethod -Headers $headers -Uri "${env:IDENTITY_ENDPOINT}?$query").access_token
}

Export-ModuleMember -Function Find-Fault, Get-EventKey, Get-StorageAccount, Test-Claim
