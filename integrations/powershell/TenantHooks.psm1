# Tenant Hooks from PowerShell: endpoints, events, deliveries, retry, replay and thresholds. README.md beside this file
# has examples. Names of parameters that go into a body are those of the API, so that its documentation holds here too:
# `minSeverity` is -MinSeverity. The project's tests compare paths, fields and values with the API's description.
#Requires -Version 7.5

Set-StrictMode -Version 1.0
$ErrorActionPreference = 'Stop'
$Connection = $null

# What all functions share


# A token for the app; one of the Azure CLI is renewed five minutes before it ends.
function Get-AccessToken {
    if (-not $Connection) { throw 'Not connected. Run Connect-TenantHooks first.' }
    if (-not $Connection.ClientId -or [DateTimeOffset]::UtcNow -lt $Connection.RenewAt) { return $Connection.Token }
    if (-not (Get-Command az -ErrorAction Ignore)) {
        throw 'The Azure CLI (az) is not on the PATH. Install it and run az login, or connect with -Token.'
    }
    $text = az account get-access-token --scope "api://$($Connection.ClientId)/.default" --output json
    if ($LASTEXITCODE -ne 0) {
        throw "az gave no token. Run: az login --scope api://$($Connection.ClientId)/.default"
    }
    $given = ConvertFrom-Json -AsHashtable -InputObject ($text -join "`n")
    $Connection.Token = $given.accessToken
    $Connection.RenewAt = [DateTimeOffset]::FromUnixTimeSeconds([long]$given.expires_on).AddMinutes(-5)
    return $Connection.Token
}

# One request. Emits the answer as objects, a list one by one; throws what the API says is wrong.
function Invoke-Api([string] $Method, [string] $Path, $Body, [hashtable] $Headers = @{}) {
    $authorization = @{ Authorization = "Bearer $(Get-AccessToken)" }
    $request = @{
        Method             = $Method
        Uri                = "$($Connection.Url)$Path"
        Headers            = $Headers + $authorization
        SkipHttpErrorCheck = $true
    }
    if ($null -ne $Body) {
        $request.Body = ConvertTo-Json -Compress -Depth 70 -InputObject $Body
        $request.ContentType = 'application/json; charset=utf-8'
    }
    $answer = Invoke-WebRequest @request
    # Read here, because PowerShell would guess the encoding, and make a time of each text that looks like one.
    $text = [Text.Encoding]::UTF8.GetString($answer.RawContentStream.ToArray())
    if ($answer.StatusCode -ge 400) { throw (Get-Complaint $answer.StatusCode $text) }
    if (-not $text) { return }
    $parsed = ConvertFrom-Json -AsHashtable -DateKind String -NoEnumerate -InputObject $text
    foreach ($each in $parsed) {
        if ($each -is [Collections.IDictionary]) { [pscustomobject]$each } else { $each }
    }
}

# What a problem (RFC 9457) says; of another answer its beginning.
function Get-Complaint([int] $Status, [string] $Text) {
    try { $problem = ConvertFrom-Json -AsHashtable -InputObject $Text }
    catch { $problem = $null } # a page of something between here and the app
    if ($problem -is [Collections.IDictionary] -and $problem.detail) { return "${Status}: $($problem.detail)" }
    $beginning = $Text.Substring(0, [Math]::Min(200, $Text.Length))
    return "${Status}: the answer is not one of Tenant Hooks, perhaps of a proxy. It begins: $beginning"
}

# The parameters of these names that were given, under the names of the API. Of what comes through the pipeline by property
# name, $PSBoundParameters keeps the value of an earlier object (github.com/PowerShell/PowerShell/issues/20137): read those
# from their variables instead.
function Get-Body($Bound, [string[]] $Names) {
    $body = [ordered]@{}
    foreach ($name in $Names) {
        if ($Bound.ContainsKey($name)) { $body[(ConvertTo-FieldName $name)] = $Bound[$name] }
    }
    return $body
}

function ConvertTo-FieldName([string] $Name) { return $Name.Substring(0, 1).ToLowerInvariant() + $Name.Substring(1) }

# A query string of what is not empty, with a question mark; empty where nothing is.
function Get-Query([Collections.IDictionary] $Values) {
    $pairs = foreach ($name in $Values.Keys) {
        if ("$($Values[$name])") { "$name=$([uri]::EscapeDataString($Values[$name]))" }
    }
    if (-not $pairs) { return '' }
    return '?' + ($pairs -join '&')
}

function Get-TimeText([datetime] $Time) {
    return $Time.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", [cultureinfo]::InvariantCulture)
}

# Connection

<#
.SYNOPSIS
Connects this session to a deployment of Tenant Hooks.
.DESCRIPTION
With -ClientId the Azure CLI gives the tokens, as whoever is signed in there. With -Token you bring one, such as that of
the local app: Connect-TenantHooks http://127.0.0.1:7071 -Token (python dev.py token)
.PARAMETER Url
The address of the function app.
.PARAMETER ClientId
The client id of the app registration of Tenant Hooks (ENTRA_CLIENT_ID).
.PARAMETER Token
A bearer token. It is used until it ends.
.EXAMPLE
Connect-TenantHooks https://contoso-hooks.azurewebsites.net -ClientId 3b735b14-de6f-4cf8-adc6-da7eaccbdc31
#>
function Connect-TenantHooks {
    [CmdletBinding(DefaultParameterSetName = 'AzureCli')]
    param(
        [Parameter(Mandatory, Position = 0)]
        [uri] $Url,

        [Parameter(Mandatory, ParameterSetName = 'AzureCli')]
        [string] $ClientId,

        [Parameter(Mandatory, ParameterSetName = 'Token')]
        [string] $Token
    )
    $script:Connection = @{
        Url      = "$Url".TrimEnd('/')
        ClientId = $ClientId
        Token    = $Token
        RenewAt  = [DateTimeOffset]::MinValue
    }
    $null = Get-AccessToken # an error here, and not at the first call
}

<#
.SYNOPSIS
Forgets the address and the token.
.EXAMPLE
Disconnect-TenantHooks
#>
function Disconnect-TenantHooks {
    [CmdletBinding()]
    param()
    $script:Connection = $null
}

<#
.SYNOPSIS
Whether the app is well, with warnings for an admin.
.EXAMPLE
(Get-TenantHooksHealth).warnings
#>
function Get-TenantHooksHealth {
    [CmdletBinding()]
    param()
    Invoke-Api Get '/health'
}

# Endpoints

<#
.SYNOPSIS
All endpoints, or one of them.
.PARAMETER Id
The endpoint's id. Without it, all are emitted that the caller may see.
.EXAMPLE
Get-TenantHooksEndpoint | Where-Object { $_.health.state -ne 'healthy' }
#>
function Get-TenantHooksEndpoint {
    [CmdletBinding()]
    param(
        [Parameter(Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [string] $Id
    )
    process {
        if ($Id) { Invoke-Api Get "/v1.0/webhooks/endpoints/$Id" } else { Invoke-Api Get '/v1.0/webhooks/endpoints' }
    }
}

<#
.SYNOPSIS
Registers a receiver, or changes the one that is registered under this URL.
.DESCRIPTION
Of a URL that is registered already, what you do not give stays as it is. The fields are explained in docs/api.md.
.PARAMETER Endpoint
The URL, kept byte for byte.
.PARAMETER Types
Event types, families such as storage.*, or * for all but webhook.*.
.PARAMETER Auth
How deliveries prove themselves, such as @{ type = 'headers'; headers = @{ 'X-Api-Key' = '…' } }.
.EXAMPLE
Register-TenantHooksEndpoint https://hooks.slack.com/services/T0/B0/X -Types storage.* -Format slack -MinSeverity high
#>
function Register-TenantHooksEndpoint {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory, Position = 0)]
        [string] $Endpoint,

        [Parameter(Position = 1)]
        [string[]] $Types,

        [string] $Name,

        [ValidateSet('point', 'spscan', 'cloudevents', 'slack', 'teams', 'servicenow', 'jira', 'connectwise', 'autotask', 'pagerduty', 'email', 'splunk-hec', 'sentinel', 'template')]
        [string] $Format,

        [Collections.IDictionary] $Settings,

        [ValidateSet('low', 'medium', 'high', 'critical')]
        [string] $MinSeverity,

        [string[]] $Tenants,
        [string[]] $Sites,
        [bool] $Enabled,
        [double[]] $RetryDelays,
        [double] $MaxPerSecond,
        [bool] $Ordered,
        [Collections.IDictionary] $Auth
    )
    $names = 'Endpoint', 'Types', 'Name', 'Format', 'Settings', 'MinSeverity', 'Tenants', 'Sites', 'Enabled', 'RetryDelays', 'MaxPerSecond', 'Ordered', 'Auth'
    $body = Get-Body $PSBoundParameters $names
    if ($PSCmdlet.ShouldProcess(([uri]$Endpoint).Host, 'Register an endpoint')) {
        Invoke-Api Post '/v1.0/webhooks/endpoints' $body @{ Prefer = 'return=representation' }
    }
}

<#
.SYNOPSIS
Changes fields of an endpoint; what you do not give stays as it is.
.PARAMETER Id
The endpoint's id. Endpoints can come through the pipeline.
.PARAMETER Clear
Fields that go back to their defaults.
.EXAMPLE
Get-TenantHooksEndpoint | Where-Object name -eq 'Service desk' | Set-TenantHooksEndpoint -Enabled $true -Clear minSeverity
#>
function Set-TenantHooksEndpoint {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [string] $Id,

        [string[]] $Types,
        [string] $Name,

        [ValidateSet('point', 'spscan', 'cloudevents', 'slack', 'teams', 'servicenow', 'jira', 'connectwise', 'autotask', 'pagerduty', 'email', 'splunk-hec', 'sentinel', 'template')]
        [string] $Format,

        [Collections.IDictionary] $Settings,

        [ValidateSet('low', 'medium', 'high', 'critical')]
        [string] $MinSeverity,

        [string[]] $Tenants,
        [string[]] $Sites,
        [bool] $Enabled,
        [double[]] $RetryDelays,
        [double] $MaxPerSecond,
        [bool] $Ordered,
        [Collections.IDictionary] $Auth,

        [ValidateSet('types', 'name', 'format', 'settings', 'minSeverity', 'tenants', 'sites', 'enabled', 'retryDelays', 'maxPerSecond', 'ordered', 'auth')]
        [string[]] $Clear
    )
    process {
        $names = 'Types', 'Name', 'Format', 'Settings', 'MinSeverity', 'Tenants', 'Sites', 'Enabled', 'RetryDelays', 'MaxPerSecond', 'Ordered', 'Auth'
        $body = Get-Body $PSBoundParameters $names
        foreach ($field in $Clear) { $body[$field] = $null }
        if ($PSCmdlet.ShouldProcess($Id, "Change $($body.Keys -join ', ') of the endpoint")) {
            Invoke-Api Patch "/v1.0/webhooks/endpoints/$Id" $body
        }
    }
}

<#
.SYNOPSIS
Deletes endpoints. What waits for them ends cancelled.
.EXAMPLE
Get-TenantHooksEndpoint | Where-Object { $_.health.state -eq 'disabled' } | Remove-TenantHooksEndpoint -WhatIf
#>
function Remove-TenantHooksEndpoint {
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [string] $Id
    )
    process {
        if ($PSCmdlet.ShouldProcess($Id, 'Delete the endpoint')) { Invoke-Api Delete "/v1.0/webhooks/endpoints/$Id" }
    }
}

<#
.SYNOPSIS
Sends an endpoint a test event now, and emits what the receiver answered.
.PARAMETER Type
The event type whose sample is sent. By default the first that the endpoint asks for.
.EXAMPLE
Test-TenantHooksEndpoint AUIF6WN7KMQTBMLXY7YPFIMFJI -Type ProvisioningFailed
#>
function Test-TenantHooksEndpoint {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [string] $Id,

        [string] $Type
    )
    process {
        $body = Get-Body $PSBoundParameters @('Type')
        if ($PSCmdlet.ShouldProcess($Id, 'Send a test event')) { Invoke-Api Post "/v1.0/webhooks/endpoints/$Id/test" $body }
    }
}

<#
.SYNOPSIS
An endpoint's secret for Standard Webhooks. Reading it is noted in the log.
.EXAMPLE
(Get-TenantHooksSecret AUIF6WN7KMQTBMLXY7YPFIMFJI).secret
#>
function Get-TenantHooksSecret {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [string] $Id
    )
    process { Invoke-Api Get "/v1.0/webhooks/endpoints/$Id/secret" }
}

<#
.SYNOPSIS
Gives an endpoint a new secret. The old one signs beside it for 24 hours.
.EXAMPLE
Update-TenantHooksSecret AUIF6WN7KMQTBMLXY7YPFIMFJI
#>
function Update-TenantHooksSecret {
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [string] $Id
    )
    process {
        if ($PSCmdlet.ShouldProcess($Id, 'Make a new secret')) { Invoke-Api Post "/v1.0/webhooks/endpoints/$Id/secret/rotate" }
    }
}

# Events

<#
.SYNOPSIS
The catalogue of event types, each with its severity, schema and sample.
.PARAMETER Publishable
Only those that callers may publish.
.EXAMPLE
Get-TenantHooksEventType -Publishable | Format-Table type, severity, title
#>
function Get-TenantHooksEventType {
    [CmdletBinding()]
    param([switch] $Publishable)
    $query = Get-Query @{ publishable = if ($Publishable) { 'true' } else { '' } }
    foreach ($each in (Invoke-Api Get "/v1.0/webhooks/types$query").value) { [pscustomobject]$each }
}

<#
.SYNOPSIS
Publishes an event.
.PARAMETER Type
A type of the catalogue, or one of your own that begins with custom.
.PARAMETER Content
What happened: an object.
.PARAMETER IdempotencyKey
Your name for the event: the same key twice is the same event. Without one, each call is a new event.
.PARAMETER TimeStamp
When it happened; by default now.
.EXAMPLE
Publish-TenantHooksEvent custom.guest_invited @{ guest = 'adele@fabrikam.com' } -IdempotencyKey guest-4711
.EXAMPLE
Import-Csv guests.csv | ForEach-Object {
    [pscustomobject]@{ Type = 'custom.guest_invited'; Content = @{ guest = $_.Mail }; IdempotencyKey = "guest-$($_.Id)" }
} | Publish-TenantHooksEvent
#>
function Publish-TenantHooksEvent {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipelineByPropertyName)]
        [string] $Type,

        [Parameter(Mandatory, Position = 1, ValueFromPipelineByPropertyName)]
        [object] $Content,

        [Parameter(ValueFromPipelineByPropertyName)]
        [string] $IdempotencyKey,

        [Parameter(ValueFromPipelineByPropertyName)]
        [Nullable[datetime]] $TimeStamp,

        [Parameter(ValueFromPipelineByPropertyName)]
        [ValidateSet('low', 'medium', 'high', 'critical')]
        [string] $Severity,

        [Parameter(ValueFromPipelineByPropertyName)]
        [Collections.IDictionary] $Tenant
    )
    process {
        $body = [ordered]@{ type = $Type; content = $Content }
        if ($Severity) { $body.severity = $Severity }
        if ($null -ne $Tenant) { $body.tenant = $Tenant }
        $meta = [ordered]@{}
        if ($null -ne $TimeStamp) { $meta.timeStamp = Get-TimeText $TimeStamp }
        if ($IdempotencyKey) { $meta.idempotencyKey = $IdempotencyKey }
        if ($meta.Count) { $body.meta = $meta }
        if ($PSCmdlet.ShouldProcess($Type, 'Publish an event')) { Invoke-Api Post '/v1.0/events' $body }
    }
}

<#
.SYNOPSIS
An event as it was accepted, with how its deliveries stand; or the newest events.
.DESCRIPTION
The newest are those of the last day or since a time, up to some seconds old; docs/api.md says which may be missing.
.PARAMETER IdempotencyKey
Of the event. Without one, the newest events are listed. Events can come through the pipeline.
.PARAMETER Type
Only events of this type, exactly.
.PARAMETER Since
Only those that were accepted at this time or later, at most 7 days ago.
.PARAMETER Before
Only those that were accepted before this time; without -Since, in the 24 hours before it.
.PARAMETER First
At most so many.
.EXAMPLE
(Get-TenantHooksEvent guest-4711).deliveries
.EXAMPLE
Get-TenantHooksEvent -Type storage.threshold_exceeded -Since (Get-Date).AddHours(-2) | Get-TenantHooksEvent
#>
function Get-TenantHooksEvent {
    [CmdletBinding(DefaultParameterSetName = 'Newest')]
    param(
        [Parameter(Mandatory, Position = 0, ParameterSetName = 'One', ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [string] $IdempotencyKey,

        [Parameter(ParameterSetName = 'Newest')]
        [string] $Type,

        [Parameter(ParameterSetName = 'Newest')]
        [datetime] $Since,

        [Parameter(ParameterSetName = 'Newest')]
        [datetime] $Before,

        [Parameter(ParameterSetName = 'Newest')]
        [int] $First = 50
    )
    process {
        if ($IdempotencyKey) {
            Invoke-Api Get "/v1.0/events/$([uri]::EscapeDataString($IdempotencyKey))"
            return
        }
        $query = [ordered]@{ type = $Type; top = [Math]::Min(100, $First) }
        if ($PSBoundParameters.ContainsKey('Since')) { $query.from = Get-TimeText $Since }
        if ($PSBoundParameters.ContainsKey('Before')) { $query.to = Get-TimeText $Before }
        $left = $First
        do {
            $page = Invoke-Api Get "/v1.0/events$(Get-Query $query)"
            $lines = @($page.value | Select-Object -First $left)
            foreach ($line in $lines) { [pscustomobject]$line }
            $left -= $lines.Count
            $query.continuation = $page.continuation
        } while ($page.continuation -and $left -gt 0)
    }
}

<#
.SYNOPSIS
Erases the content of an event, and what receivers answered to it. It cannot be brought back.
.EXAMPLE
Remove-TenantHooksEvent guest-4711
#>
function Remove-TenantHooksEvent {
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [string] $IdempotencyKey
    )
    process {
        if ($PSCmdlet.ShouldProcess($IdempotencyKey, 'Erase the event')) {
            Invoke-Api Delete "/v1.0/events/$([uri]::EscapeDataString($IdempotencyKey))"
        }
    }
}

# Deliveries

<#
.SYNOPSIS
Deliveries, newest first: one, those of an endpoint, the alert log of all endpoints, or the newest of all.
.PARAMETER EndpointId
Whose deliveries. Endpoints can come through the pipeline.
.PARAMETER Failed
The alert log: deliveries whose last attempt failed, of all endpoints. It is shown where nothing else is asked for.
.PARAMETER Newest
The newest deliveries of all endpoints, of the last day or since a time, up to some seconds old.
.PARAMETER Status
Only those that stand so now.
.PARAMETER Since
Only those that were accepted at this time or later; of the newest those attempted since, at most 7 days ago.
.PARAMETER Before
Only those that were accepted before this time; of the newest those attempted before it, without -Since in the 24 hours before it.
.PARAMETER First
At most so many.
.EXAMPLE
Get-TenantHooksDelivery -Newest -Status cancelled -Since (Get-Date).AddDays(-7) -First 200
.EXAMPLE
Get-TenantHooksDelivery -Failed -Since (Get-Date).AddDays(-1) | Group-Object endpointId, reason
#>
function Get-TenantHooksDelivery {
    [CmdletBinding(DefaultParameterSetName = 'Failed')]
    param(
        [Parameter(Mandatory, ParameterSetName = 'One')]
        [string] $DeliveryId,

        [Parameter(Mandatory, ParameterSetName = 'Endpoint', ValueFromPipelineByPropertyName)]
        [Alias('Id')]
        [string] $EndpointId,

        [Parameter(ParameterSetName = 'Endpoint')]
        [Parameter(ParameterSetName = 'Newest')]
        [ValidateSet('pending', 'delivered', 'failed', 'cancelled')]
        [string] $Status,

        [Parameter(ParameterSetName = 'Failed')]
        [switch] $Failed,

        [Parameter(Mandatory, ParameterSetName = 'Newest')]
        [switch] $Newest,

        [Parameter(ParameterSetName = 'Endpoint')]
        [Parameter(ParameterSetName = 'Failed')]
        [Parameter(ParameterSetName = 'Newest')]
        [string] $Type,

        [Parameter(ParameterSetName = 'Endpoint')]
        [Parameter(ParameterSetName = 'Failed')]
        [Parameter(ParameterSetName = 'Newest')]
        [datetime] $Since,

        [Parameter(ParameterSetName = 'Endpoint')]
        [Parameter(ParameterSetName = 'Failed')]
        [Parameter(ParameterSetName = 'Newest')]
        [datetime] $Before,

        [Parameter(ParameterSetName = 'Endpoint')]
        [Parameter(ParameterSetName = 'Failed')]
        [Parameter(ParameterSetName = 'Newest')]
        [int] $First = 50
    )
    process {
        if ($DeliveryId) {
            Invoke-Api Get "/v1.0/webhooks/deliveries/$DeliveryId"
            return
        }
        $most = if ($Newest) { 100 } else { 500 }
        $query = [ordered]@{ endpoint = $EndpointId; status = $Status; type = $Type; top = [Math]::Min($most, $First) }
        if ($PSCmdlet.ParameterSetName -eq 'Failed') { $query.status = 'failed' }
        if ($PSBoundParameters.ContainsKey('Since')) { $query.from = Get-TimeText $Since }
        if ($PSBoundParameters.ContainsKey('Before')) { $query.to = Get-TimeText $Before }
        $left = $First
        do {
            $page = if ($Newest) { Invoke-Api Get "/v1.0/webhooks/newest-deliveries$(Get-Query $query)" }
            else { Invoke-Api Get "/v1.0/webhooks/deliveries$(Get-Query $query)" }
            $lines = @($page.value | Select-Object -First $left)
            foreach ($line in $lines) { [pscustomobject]$line }
            $left -= $lines.Count
            $query.continuation = $page.continuation
        } while ($page.continuation -and $left -gt 0)
    }
}

<#
.SYNOPSIS
Puts failed or cancelled deliveries back on their way, each with a whole schedule.
.EXAMPLE
Get-TenantHooksDelivery -Failed -First 500 | Where-Object reason -like '*answered 500*' | Restart-TenantHooksDelivery
#>
function Restart-TenantHooksDelivery {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [string] $Id
    )
    process {
        if ($PSCmdlet.ShouldProcess($Id, 'Retry the delivery')) { Invoke-Api Post "/v1.0/webhooks/deliveries/$Id/retry" }
    }
}

<#
.SYNOPSIS
Sends an endpoint the events of its delivery log again, all pages of them.
.PARAMETER Since
The events that were accepted at this time or later.
.PARAMETER Status
Only deliveries that stand so. Without it all are sent again, those that arrived too.
.PARAMETER IdempotencyKey
The same key makes a repeated replay harmless. By default a new one, which is shown with -Verbose.
.EXAMPLE
Invoke-TenantHooksReplay AUIF6WN7KMQTBMLXY7YPFIMFJI -Since '2026-11-22 18:00' -Status failed -IdempotencyKey outage-1
#>
function Invoke-TenantHooksReplay {
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [Alias('Id')]
        [string] $EndpointId,

        [Parameter(Mandatory)]
        [datetime] $Since,

        [ValidateSet('delivered', 'failed', 'cancelled')]
        [string] $Status,

        [string] $IdempotencyKey = [guid]::NewGuid().ToString()
    )
    process {
        if (-not $PSCmdlet.ShouldProcess($EndpointId, 'Send the endpoint its events again')) { return }
        Write-Verbose "Idempotency-Key: $IdempotencyKey"
        $body = [ordered]@{ since = Get-TimeText $Since }
        if ($Status) { $body.status = $Status }
        $count = 0
        do {
            $answer = Invoke-Api Post "/v1.0/webhooks/endpoints/$EndpointId/replay" $body @{ 'Idempotency-Key' = $IdempotencyKey }
            $count += $answer.count
            $body.continuation = $answer.continuation
        } while ($answer.continuation)
        [pscustomobject]@{ EndpointId = $EndpointId; Count = $count }
    }
}

# Storage

<#
.SYNOPSIS
The sites nearest their limit, as the last scan saw them.
.PARAMETER Above
Only sites that use at least this percentage of their quota.
.EXAMPLE
Get-TenantHooksSite -Above 90 | Format-Table siteUrl, percent, threshold
#>
function Get-TenantHooksSite {
    [CmdletBinding()]
    param([double] $Above, [int] $Top = 50)
    $query = [ordered]@{ top = $Top }
    if ($PSBoundParameters.ContainsKey('Above')) { $query.above = $Above.ToString([cultureinfo]::InvariantCulture) }
    foreach ($each in (Invoke-Api Get "/v1.0/storage/sites$(Get-Query $query)").value) { [pscustomobject]$each }
}

<#
.SYNOPSIS
The storage thresholds in force.
.EXAMPLE
(Get-TenantHooksThreshold).default
#>
function Get-TenantHooksThreshold {
    [CmdletBinding()]
    param()
    Invoke-Api Get '/v1.0/storage/thresholds'
}

<#
.SYNOPSIS
Replaces all storage thresholds. The next scan goes by them.
.PARAMETER Default
Thresholds of all sites that have none of their own.
.PARAMETER Sites
Sites with thresholds of their own; of these the first that matches counts.
.EXAMPLE
Set-TenantHooksThreshold -Default @{ threshold = 90; severity = 'high' }, @{ threshold = '500GB'; severity = 'critical' }
#>
function Set-TenantHooksThreshold {
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    param(
        [Parameter(Mandatory, ValueFromPipelineByPropertyName)]
        [object[]] $Default,

        [Parameter(ValueFromPipelineByPropertyName)]
        [object[]] $Sites
    )
    process {
        $body = [ordered]@{ default = $Default }
        if ($null -ne $Sites) { $body.sites = $Sites }
        if ($PSCmdlet.ShouldProcess('all sites', 'Replace the storage thresholds')) {
            Invoke-Api Put '/v1.0/storage/thresholds' $body
        }
    }
}

Export-ModuleMember -Function '*-TenantHooks*'
