@{
    RootModule        = 'TenantHooks.psm1'
    ModuleVersion     = '0.1.0'
    GUID              = '6f0d1c53-4d0c-4b8e-9d1f-2f3c1f6f2a11'
    Author            = 'Tenant Hooks'
    Description       = 'Endpoints, events, deliveries and storage thresholds of Tenant Hooks'
    PowerShellVersion = '7.5'
    FunctionsToExport = @(
        'Connect-TenantHooks'
        'Disconnect-TenantHooks'
        'Get-TenantHooksHealth'
        'Get-TenantHooksEndpoint'
        'Register-TenantHooksEndpoint'
        'Set-TenantHooksEndpoint'
        'Remove-TenantHooksEndpoint'
        'Test-TenantHooksEndpoint'
        'Get-TenantHooksSecret'
        'Update-TenantHooksSecret'
        'Get-TenantHooksEventType'
        'Publish-TenantHooksEvent'
        'Get-TenantHooksEvent'
        'Remove-TenantHooksEvent'
        'Get-TenantHooksDelivery'
        'Restart-TenantHooksDelivery'
        'Invoke-TenantHooksReplay'
        'Get-TenantHooksSite'
        'Get-TenantHooksThreshold'
        'Set-TenantHooksThreshold'
    )
    CmdletsToExport   = @()
    VariablesToExport = @()
    AliasesToExport   = @()
}
