# Works on what ../receive/run.ps1 put on the queue, once for each event. Not run by this project's tests.

param($Message, $TriggerMetadata)

$ErrorActionPreference = 'Stop'
Import-Module "$PSScriptRoot/../shared.psm1"

# Put your own work here. What it throws brings the event back, five times; then it is on the poison queue.
function Invoke-Work($Received) {
    Write-Information "Worked on $($Received.type) $($Received.meta.idempotencyKey)"
}

# The host parses a message that is JSON.
$received = if ($Message -is [string]) { ConvertFrom-Json $Message } else { $Message }
if (Test-Claim -Key $received.webhookId -Claim $received.claim) {
    Invoke-Work (ConvertFrom-Json $received.body)
}
else {
    Write-Information "Known already: $($received.webhookId)"
}
