// The vault with the one secret of the app, SECRETS_KEY: the Fernet keys that encrypt endpoint URLs and signing secrets
// in Table Storage. Whoever loses it loses those, so nothing here can overwrite or purge it.

@description('Name of the Key Vault: 3 to 24 letters, digits and hyphens.')
@minLength(3)
@maxLength(24)
param name string

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Value of the secret where the vault has none yet; empty leaves what is there alone.')
@secure()
param secretsKey string

@description('Bring back the soft-deleted vault of this name, secret included, instead of making one.')
param recover bool

@description('Close the public endpoint. The app then needs a private endpoint: see network.bicep.')
param isPrivate bool

@description('Name of the Log Analytics workspace that keeps the audit log of the vault.')
param logAnalyticsName string

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    createMode: recover ? 'recover' : 'default'
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90 // cannot be changed later, and a recovered vault must be given the same
    enablePurgeProtection: true
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      bypass: 'AzureServices' // Resource Manager writes the secret below also when the vault is closed
    }
  }
}

// Two locks keep a redeployment from replacing the key. The azd hook gives a value only when the vault has no secret, and
// Resource Manager itself skips a secret that exists, whatever the hook gave. Bicep 0.38 or newer.
@onlyIfNotExists()
resource secret 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(secretsKey)) {
  parent: vault
  name: 'SECRETS-KEY'
  tags: tags
  properties: {
    value: secretsKey
    contentType: 'Fernet keys, comma-separated: the first encrypts, all decrypt'
  }
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: logAnalyticsName
}

// Who read the secret, and when.
resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'audit'
  properties: {
    workspaceId: workspace.id
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
  }
}
