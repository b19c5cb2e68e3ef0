# A receiver of Tenant Hooks as an Azure Function in PowerShell 7.4 or newer: verify, put on a queue, answer 202. What
# was put on the queue is worked on in ../process/run.ps1.
#
# Not run by this project's tests, which have no Azure Functions host for PowerShell. It does what
# ../../python/function_app.py does, which is tested, step by step.

using namespace System.Net

param($Request, $TriggerMetadata)

$ErrorActionPreference = 'Stop'
Import-Module "$PSScriptRoot/../shared.psm1"
$null = Get-StorageAccount # what is accepted without it would never be worked on

# PowerShell functions get the body as text. Tenant Hooks sends UTF-8 without a byte order mark, so encoding that text
# gives the bytes as they came, which are what is signed. Never $Request.Body, which has been parsed.
$text = [string]$Request.RawBody
$body = [Text.Encoding]::UTF8.GetBytes($text)
$now = [DateTimeOffset]::UtcNow.ToUnixTimeSeconds()
$fault = Find-Fault -Body $body -Headers $Request.Headers -Secret $env:TENANT_HOOKS_SECRET -Now $now
if ($null -ne $fault) {
    Push-OutputBinding -Name Response -Value ([HttpResponseContext]@{ StatusCode = 401; Body = $fault })
    return
}

# No top-level member may be called id, popReceipt or the like: the host reads such ones as the message's own.
$key = [string]$Request.Headers['webhook-id']
$message = ConvertTo-Json -Compress -InputObject @{
    webhookId       = $key
    webhookIdBase64 = [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($key)) # see Get-EventKey
    claim           = [string][guid]::NewGuid()
    body            = $text
}
# 64 KiB of a queue message, less what base64 adds, is 49,152 bytes; the host may write the JSON a little longer.
if ($body.Length -gt 40000 -or [Text.Encoding]::UTF8.GetByteCount($message) -gt 49000) {
    $answer = [HttpResponseContext]@{ StatusCode = 413; Body = 'larger than this receiver takes (40,000 bytes)' }
    Push-OutputBinding -Name Response -Value $answer
    return
}
# Both are written when this script has ended. If the queue cannot be, the answer is 500, and the event comes again.
Push-OutputBinding -Name Message -Value $message
Push-OutputBinding -Name Response -Value ([HttpResponseContext]@{ StatusCode = 202; Body = 'accepted' })
