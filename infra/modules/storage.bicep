// The storage account that the app lives on: its queues, its tables, the host's own blobs and the deployment package.
// It is the app's alone, so that a role on the account is a role on nothing else.

@description('Name of the storage account: 3 to 24 lower-case letters and digits.')
@minLength(3)
@maxLength(24)
param name string

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('How the data is copied: LRS in one datacentre, ZRS in three zones, GRS and GZRS in a second region too.')
@allowed([
  'LRS'
  'ZRS'
  'GRS'
  'GZRS'
])
param redundancy string

@description('Close the public endpoint. The app then needs private endpoints: see network.bicep.')
param isPrivate bool

@description('Name of the blob container that holds the deployment package.')
param deploymentContainerName string

@description('Name of the Log Analytics workspace that is told who does what with the data.')
param logAnalyticsName string

@description('Log every read and write of the data, not deletions alone.')
param logAccess bool

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_${redundancy}'
  }
  properties: {
    accessTier: 'Hot'
    allowSharedKeyAccess: false // nor a SAS signed with it: the managed identity is the only way in
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Without a virtual network the app has no address of its own that a firewall could name: identity alone decides.
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      bypass: 'None'
    }
  }
}

// No soft delete and no versions: the blobs are leases, timer states and a package that a deployment makes again. Kept
// versions of leases would cost, and bring nothing back. Queues and tables know neither.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: false
    deleteRetentionPolicy: {
      enabled: false
    }
    containerDeleteRetentionPolicy: {
      enabled: false
    }
  }
}

resource deployments 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: deploymentContainerName
  properties: {
    publicAccess: 'None'
  }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

// The host waits for a queue that is missing and never makes one; the names are those of function_app.py.
resource deliveries 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: queues
  name: 'deliveries'
}

resource poison 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: queues
  name: 'deliveries-poison'
}

resource provisioning 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: queues
  name: 'provisioning'
}

resource provisioningPoison 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = {
  parent: queues
  name: 'provisioning-poison'
}

// The app makes its tables itself: most are dated, one a week.
resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: logAnalyticsName
}

// Who deleted what, as which identity and from where: the app deletes a table or an endpoint's row now and then, so what
// else stands there is somebody's doing. Reads and writes are the app's own work, millions a month, and logged on demand;
// so are deletions on the queues, one for each message.
var deletions = [
  { category: 'StorageRead', enabled: logAccess }
  { category: 'StorageWrite', enabled: logAccess }
  { category: 'StorageDelete', enabled: true }
]
var access = [
  { category: 'StorageRead', enabled: logAccess }
  { category: 'StorageWrite', enabled: logAccess }
  { category: 'StorageDelete', enabled: logAccess }
]
var transactions = [
  { category: 'Transaction', enabled: true }
]

resource accountAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: account
  name: 'audit'
  properties: {
    workspaceId: workspace.id
    metrics: transactions
  }
}

resource blobAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: blobs
  name: 'audit'
  properties: {
    workspaceId: workspace.id
    logs: deletions
    metrics: transactions
  }
}

resource tableAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: tables
  name: 'audit'
  properties: {
    workspaceId: workspace.id
    logs: deletions
    metrics: transactions
  }
}

resource queueAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: queues
  name: 'audit'
  properties: {
    workspaceId: workspace.id
    logs: access
    metrics: transactions
  }
}
