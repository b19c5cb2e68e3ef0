# Works on what ../receive/run.ps1 put on the queue, once for each event. Not run by this project's tests.

param($Message, $TriggerMetadata)

$ErrorActionPreference = 'Stop'
Import-Module "$PSScriptRoot/../shared.psm1"

# Put your own work here. What it throws brings the event back, five times; then it is on the poison queue.
# $Received is the event: a hashtable, since `content` may have names that differ only in case, or empty ones. Write
# names as they were sent. Each value that looks like a time arrives as a DateTime and not as text: meta.timeStamp
# always, meta.idempotencyKey perhaps. $Key is the idempotency key as it was sent.
function Invoke-Work($Received, [string] $Key) {
    Write-Information "Worked on $($Received.type) $Key"
}

# The worker parses a message that is JSON.
$received = if ($Message -is [string]) { ConvertFrom-Json -AsHashtable $Message } else { $Message }
$key = Get-EventKey $received
if (Test-Claim -Key $key -Claim $received.claim) {
    Invoke-Work (ConvertFrom-Json -AsHashtable $received.body) $key
}
else {
    Write-Information "Known already: $key"
}
