# The azd hook before packaging: puts the libraries of the console into shared/console/vendor, from npm.
#
#   infra/scripts/console.ps1
#
# With CONSOLE=false the app is deployed without its console, and nothing is needed here.
$ErrorActionPreference = 'Stop'
Set-Location -LiteralPath (Join-Path $PSScriptRoot '../..')

if ($env:CONSOLE -eq 'false') {
    Remove-Item -Recurse -Force -ErrorAction SilentlyContinue -LiteralPath shared/console/vendor
    Write-Output 'Console: left out, because CONSOLE is false'
    exit 0
}
if (-not (Get-Command npm -ErrorAction SilentlyContinue) -or -not (Get-Command node -ErrorAction SilentlyContinue)) {
    [Console]::Error.WriteLine('error: the console needs Node.js 20 or newer with npm to be packaged. Install it from https://nodejs.org, or deploy without the console: azd env set CONSOLE false')
    exit 1
}
# What is there already, as in a clone that dev.py has set up, is taken as it is: it is checked file by file. Else the two
# packages alone are fetched, into a folder of their own.
node infra/scripts/console.mjs 2>$null
if ($LASTEXITCODE -ne 0) {
    $scratch = New-Item -ItemType Directory -Path (Join-Path ([IO.Path]::GetTempPath()) ([IO.Path]::GetRandomFileName()))
    try {
        $packages = @(node infra/scripts/console.mjs --packages)
        npm install --prefix $scratch.FullName --ignore-scripts --no-audit --no-fund --silent @packages
        if ($LASTEXITCODE -ne 0) { exit 1 }
        node infra/scripts/console.mjs --from $scratch.FullName
        if ($LASTEXITCODE -ne 0) { exit 1 }
    }
    finally { Remove-Item -Recurse -Force $scratch.FullName }
}
Write-Output 'Console: its libraries are in shared/console/vendor'
