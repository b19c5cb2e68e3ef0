# What the scripts beside this one share: the PowerShell twin of az.sh, function by function.
#Requires -Version 7.4

Set-StrictMode -Version 1.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$PSNativeCommandUseErrorActionPreference = $false

$NotFound = 'NOT_FOUND'
$AlreadyThere = 'ALREADY_THERE'
$NotYet = 'NOT_YET'
$Needs = 'more rights than it has' # each script says which
$Complaint = ''

function Write-Failure([string] $Text) {
    [Console]::Error.WriteLine("error: $Text")
    exit 1
}

# The error in words. Microsoft Graph and Resource Manager write it as {"error": {"code": …, "message": …}}, which az puts
# into parentheses: of that the code and the message. Every other text stays as it is.
function Get-Complaint([string] $Text) {
    $start = $Text.IndexOf('{')
    $end = $Text.LastIndexOf('}')
    if ($start -ge 0 -and $end -gt $start) {
        $json = $Text.Substring($start, $end - $start + 1)
        try { $said = (ConvertFrom-Json -AsHashtable -InputObject $json).error }
        catch { $said = $null } # braces that are no JSON
        if ($said -is [System.Collections.IDictionary] -and $said.message) { return "$($said.code): $($said.message)" }
    }
    return $Text.Trim()
}

# What a failure says: one of the three above for the caller to handle; every other one ends the script, told in words.
# Status is that of the HTTP answer, 0 where az has asked.
function Resolve-Failure([string] $Doing, [string] $Text, [int] $Status = 0) {
    $script:Complaint = Get-Complaint $Text
    if ($Text -cmatch 'Permission being assigned already exists') { return $AlreadyThere }
    if ($Text -cmatch 'does not reference a valid application object') { return $NotYet }
    if ($Status -eq 404 -or $Text -cmatch 'Request_ResourceNotFound|ResourceNotFound|ResourceGroupNotFound|SecretNotFound|Not Found\(') { return $NotFound }
    if ($Status -eq 401 -or $Text -cmatch 'az login|AADSTS') {
        Write-Failure "$Doing failed. az is not signed in, or its sign-in has expired. Run: az login`n$Complaint"
    }
    if ($Status -eq 403 -or $Text -cmatch 'Authorization_RequestDenied|Insufficient privileges|AuthorizationFailed|Forbidden\(') {
        Write-Failure "$Doing failed. This account may not do it. It needs $Needs.`n$Complaint"
    }
    Write-Failure "$Doing failed. The answer was:`n$Complaint"
}

# Fails for those three as well.
function Assert-Answer($Answer) {
    if ($Answer -is [string] -and $Answer -cin $NotFound, $AlreadyThere, $NotYet) { Write-Failure $Complaint }
    return $Answer
}

# A JSON answer as hashtables, since names in it may differ in nothing but case; nothing for an empty one. A text that is
# no JSON comes from something in between, such as a proxy: it is no answer, and must not be taken for one.
function ConvertFrom-Answer([string] $Doing, [string] $Text) {
    if (-not $Text.Trim()) { return }
    try { $answer = ConvertFrom-Json -AsHashtable -NoEnumerate -InputObject $Text }
    catch { $answer = '' }
    if ($answer -is [string]) {
        $beginning = $Text.Trim().Substring(0, [Math]::Min(200, $Text.Trim().Length))
        Write-Failure "$Doing failed. What answered is not the service, perhaps a proxy: the answer is no JSON. It begins:`n$beginning"
    }
    return $answer
}

# The answer of an az command. Arguments have no quotes, pipes or parentheses: az is a batch file on Windows.
function Invoke-Az([string] $Doing, [string[]] $Arguments) {
    $errors = New-TemporaryFile
    try {
        $answer = & az @Arguments --only-show-errors --output json 2>$errors.FullName
        if ($LASTEXITCODE -ne 0) { return Resolve-Failure $Doing (Get-Content -Raw -LiteralPath $errors.FullName) }
    }
    finally { Remove-Item -LiteralPath $errors.FullName }
    return ConvertFrom-Answer $Doing ($answer -join "`n")
}

# One request with a token of az; Body is an object or nothing.
function Invoke-Service([string] $Doing, [string] $Method, [string] $Url, [string] $Resource, $Body) {
    $token = Assert-Answer (Invoke-Az 'Getting a token' @('account', 'get-access-token', '--resource', $Resource))
    $request = @{
        Method = $Method; Uri = $Url; Headers = @{ Authorization = "Bearer $($token.accessToken)" }; SkipHttpErrorCheck = $true
    }
    if ($null -ne $Body) {
        $request.Body = ConvertTo-Json -Depth 10 -Compress -InputObject $Body
        $request.ContentType = 'application/json; charset=utf-8'
    }
    try { $answer = Invoke-WebRequest @request }
    catch { Write-Failure "$Doing failed. $Url cannot be reached: $($_.Exception.Message)" }
    # Read here, because PowerShell would guess the encoding and whether it is JSON.
    $text = [Text.Encoding]::UTF8.GetString($answer.RawContentStream.ToArray())
    if ($answer.StatusCode -ge 400) { return Resolve-Failure $Doing $text $answer.StatusCode }
    return ConvertFrom-Answer $Doing $text
}

# Entra answers from several copies; what was just made may be unknown to one of them for a while.
function Wait-ForEntra([scriptblock] $Command) {
    $wait = if ($env:ENTRA_WAIT_SECONDS) { [int] $env:ENTRA_WAIT_SECONDS } else { 5 }
    foreach ($try in 1..6) {
        $answer = & $Command
        if (-not ($answer -is [string] -and $answer -cin $NotFound, $NotYet)) { return $answer }
        if ($try -lt 6) { Start-Sleep -Seconds $wait }
    }
    return $answer
}

# A value of the azd environment. As an azd hook it is in the environment already.
function Get-Setting([string] $Name) {
    $value = [Environment]::GetEnvironmentVariable($Name)
    if (-not $value -and (Get-Command azd -ErrorAction Ignore)) {
        $value = azd env get-value $Name 2>$null
        if ($LASTEXITCODE -ne 0) { $value = '' }
    }
    return "$value"
}

# Keeps a value in the azd environment, or tells how where there is none.
function Save-Setting([string] $Name, [string] $Value) {
    $environment = Get-Setting AZURE_ENV_NAME
    if (-not $environment) {
        Write-Output "  No azd environment is selected. For azd: azd env set $Name $Value"
    }
    elseif ((Get-Setting $Name) -cne $Value) {
        azd env set $Name $Value --environment $environment
        if ($LASTEXITCODE -ne 0) { Write-Failure "azd could not keep $Name." }
        Write-Output "  Set $Name=$Value in the azd environment $environment"
    }
}

# Sets $Tenant, $Graph and $Manager. Ends the script where az is missing, not signed in, or in another tenant than azd.
function Connect-Az {
    if (-not (Get-Command az -ErrorAction Ignore)) {
        Write-Failure 'the Azure CLI (az) is not on the PATH. Install it from https://aka.ms/azure-cli, then run az login.'
    }
    $script:Tenant = (Assert-Answer (Invoke-Az 'Reading the account' @('account', 'show'))).tenantId
    $subscription = Get-Setting AZURE_SUBSCRIPTION_ID
    if ($subscription) {
        $wanted = (Assert-Answer (Invoke-Az "Reading the subscription $subscription" @('account', 'show', '--subscription', $subscription))).tenantId
        if ($wanted -ne $Tenant) {
            Write-Failure "az is signed in to the tenant $Tenant, but the subscription $subscription of azd is in $wanted. Run: az account set --subscription $subscription"
        }
    }
    $cloud = Assert-Answer (Invoke-Az 'Reading the cloud' @('cloud', 'show'))
    $script:Graph = if ($env:GRAPH_ENDPOINT) { $env:GRAPH_ENDPOINT } else { $cloud.endpoints.microsoftGraphResourceId }
    $script:Graph = $Graph.TrimEnd('/')
    $script:Manager = $cloud.endpoints.resourceManager.TrimEnd('/')
}

# One request to Microsoft Graph.
function Invoke-Graph([string] $Doing, [string] $Method, [string] $Path, $Body) {
    return Invoke-Service $Doing $Method "$Graph/v1.0/$Path" $Graph $Body
}

function Test-Guid([string] $Text) { return $Text -match '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' }

# Gives a principal the app role of a resource (a service principal); all are object ids.
function Grant-AppRole([string] $Principal, [string] $Resource, [string] $Role, [string] $Name) {
    $answer = Wait-ForEntra {
        Invoke-Graph "Granting $Name" Post "servicePrincipals/$Resource/appRoleAssignedTo" @{ principalId = $Principal; resourceId = $Resource; appRoleId = $Role }
    }
    if ($answer -is [string] -and $answer -ceq $AlreadyThere) { Write-Output "Already granted: $Name" }
    elseif ($answer -is [string] -and $answer -cin $NotFound, $NotYet) {
        Write-Failure "Entra does not know the principal $Principal (yet): a new identity takes minutes to appear. Check the id, and run this again."
    }
    else { Write-Output "Granted $Name" }
}
