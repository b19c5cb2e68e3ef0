// Tenant Hooks in a subscription: a resource group and all that the app needs, ready for production by default.
//
// Every parameter is set from the azd environment through main.parameters.json: `azd env set RETENTION_DAYS 90`, then
// `azd provision`. Plain resources and no registry modules, so that what is deployed can be read here.

targetScope = 'subscription'

@description('Name of the azd environment; becomes part of names and the tag azd-env-name.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Azure region of everything. Flex Consumption must be offered there.')
@minLength(1)
param location string

@description('Name of the resource group; empty: rg- and the name of the environment.')
@maxLength(90)
param resourceGroupName string = ''

// Keys

@description('Fernet key that encrypts URLs and secrets in storage. Given by the azd hook for a vault that has none; empty leaves the vault\'s own alone.')
@secure()
param secretsKey string = ''

@description('Bring back the soft-deleted Key Vault of this environment, after azd down.')
param recoverKeyVault bool = false

// Who gets in

@description('Client id of the app registration that tokens must be for. Empty: nobody gets in.')
param entraClientId string = ''

@description('Entra tenant whose tokens are taken. Empty: that of the subscription.')
param entraTenantId string = ''

@description('Microsoft 365 cloud: global (GCC too), gcchigh, dod or china. Empty: the one that belongs to the Azure cloud; for dod it must be set.')
@allowed([
  ''
  'global'
  'gcchigh'
  'dod'
  'china'
])
param entraCloud string = ''

@description('Put the platform\'s own token check (Easy Auth) before the app\'s. /console, /health and /openapi.json stay open.')
param easyAuth bool = false

// The deployment's own tenant, for events that name none

@description('Id of the tenant as receivers see it. Empty: its Microsoft id.')
param tenantId string = ''

@description('Display name of the tenant.')
param tenantDisplayName string = ''

@description('Microsoft id of the tenant. Empty: that of entraTenantId.')
param tenantMicrosoftId string = ''

// Deliveries

@description('The schedule: seconds between attempts, separated by commas, at most seven days in all.')
@minLength(1)
param retryDelays string = '30,120,600'

@description('For at least so many hours a repeated idempotency key is recognised.')
@minValue(1)
@maxValue(168)
param dedupeHours int = 24

@description('Days for which events, deliveries and the alert log are kept; up to 14 more pass until a table goes.')
@minValue(1)
@maxValue(3650)
param retentionDays int = 30

@description('Hours without a success after which a failing endpoint is disabled.')
@minValue(1)
@maxValue(8760)
param disableAfterHours int = 120

@description('Seconds until the first probe of an endpoint whose breaker has opened; later ones come after 2, 4, 8 and 15 times as long.')
@minValue(1)
@maxValue(86400)
param breakerProbeSeconds int = 60

@description('Seconds after the end of its schedule at which a delivery that the breaker holds is given up.')
@minValue(1)
@maxValue(86400)
param breakerGraceSeconds int = 900

@description('Hosts that endpoints may have, separated by commas, such as *.logic.azure.com. Empty: every public host.')
param allowedEndpointHosts string = ''

@description('Ports that endpoints may have, and ranges of them, separated by commas. Empty: 80, 443, and 1024 to 65535.')
param allowedEndpointPorts string = ''

@description('How many endpoints a caller without Point.Admin may have.')
@minValue(1)
@maxValue(1000)
param maxEndpointsPerOwner int = 50

@description('Audiences for which an endpoint may be sent a token of the app\'s identity, separated by commas. Empty: Power Automate\'s and api://*.')
param allowedTokenAudiences string = ''

@description('Mailboxes that mails may be sent from, separated by commas. Empty: none. infra/scripts/grant-graph-permissions mail says how each is allowed.')
param mailSenders string = ''

@description('Address that callers use, where something such as API Management stands before the app. Empty: its own.')
param publicUrl string = ''

@description('Stop sending: deliveries wait on their queue until this is false again.')
param pauseDeliveries bool = false

// Storage scan

@description('When SharePoint storage is scanned: six fields, seconds first, UTC.')
@minLength(11)
param storageScanSchedule string = '0 20 */6 * * *'

@description('Storage thresholds of every site: percent or size, and the severity of crossing it.')
param storageThresholds string = '75:medium,90:high,100:critical'

@description('Points below a threshold at which a site counts as recovered.')
@minValue(0)
@maxValue(50)
param storageHysteresis int = 2

@description('Ask for the live quota of a site before a crossing is published: the report is two days old.')
param storageConfirmCrossings bool = false

@description('Do not scan SharePoint storage: for a tenant whose reports conceal site names, and in national clouds.')
param pauseStorageScan bool = false

// Sharing

@description('Read the tenant\'s audit log every five minutes, and tell of what is shared outside. It needs infra/scripts/grant-sharing-permissions.')
param watchSharing bool = false

@description('Event types about sharing that are published, separated by commas.')
@minLength(1)
param sharingEvents string = 'permission.external_share_created,permission.anonymous_link_created'

@description('Domains that are not outside, beside those of the tenant, separated by commas.')
param sharingInternalDomains string = ''

@description('Say from which IP address something was shared.')
param sharingClientIp bool = true

@description('Root of the Office 365 Management Activity API; for GCC https://manage-gcc.office.com. Empty: that of the cloud.')
param managementBaseUrl string = ''

// Provisioning

@description('Kinds of workspaces that may be asked for, separated by commas: teams, groups, sites, yammer. Empty: none.')
param provisioningKinds string = ''

@description('Root of the tenant\'s SharePoint, such as https://contoso.sharepoint.com. Empty: Microsoft Graph is asked.')
param sharePointBaseUrl string = ''

// Scale

@description('Python version of the app.')
@allowed([
  '3.11'
  '3.12'
  '3.13'
  '3.14'
])
param pythonVersion string = '3.13'

@description('Memory of an instance in MB; CPU grows with it.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('The most instances that HTTP, and each queue function, may grow to. An instance makes up to 256 deliveries at once.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 100

@description('Requests that an instance handles at once before another is added. Above 40 they wait for a thread.')
@minValue(1)
@maxValue(40)
param httpConcurrency int = 32

@description('Instances kept warm for the API. 0 costs nothing and has cold starts.')
@minValue(0)
@maxValue(1000)
param alwaysReadyHttp int = 0

@description('Instances kept warm for deliveries.')
@minValue(0)
@maxValue(1000)
param alwaysReadyDispatch int = 0

@description('Spread instances over availability zones. The region must have them; always-ready counts must then be 0 or at least 2.')
param zoneRedundant bool = false

@description('Copies of the data: ZRS in three zones, GZRS in a second region too; LRS or GRS where the region has no zones.')
@allowed([
  'LRS'
  'ZRS'
  'GRS'
  'GZRS'
])
param storageRedundancy string = 'ZRS'

// Network

@description('A virtual network: storage and vault behind private endpoints, and one public address for all that goes out.')
param privateNetwork bool = false

@description('Address space of that network, /23 or larger.')
param networkAddressPrefix string = '10.100.0.0/23'

@description('Who may call the API: networks such as 203.0.113.0/24 and service tags such as AzureConnectors, separated by commas. Empty: every address; the bearer token is the key in any case.')
param allowedCallers string = ''

// Monitoring

@description('Days for which logs are kept. The first 31 cost nothing.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 31

@description('Gigabytes of logs a day at which Azure stops taking more until the next day; -1 for no limit. While it is reached no alert sees anything.')
@minValue(-1)
@maxValue(1000)
param logDailyCapGb int = 10

@description('Log every read and write of the storage account, and not deletions of blobs and rows alone: who, from where, with what result. Millions of lines a month.')
param logStorageAccess bool = false

@description('Addresses that alerts are mailed to, separated by commas. Without any, and without a webhook, alerts are seen in the portal only.')
param alertEmails string = ''

@description('An https address that alerts are POSTed to, in the common alert schema.')
@secure()
param alertWebhookUrl string = ''

// Microsoft Sentinel

@description('Resource id of a Log Analytics workspace that takes events as rows: makes the table TenantHooks_CL there, its reader and the way in. Empty: none.')
param sentinelWorkspaceId string = ''

@description('Azure region of that workspace. Empty: the one of this deployment.')
param sentinelLocation string = ''

@description('Make two analytics rules there. Needs Microsoft Sentinel on the workspace.')
param sentinelRules bool = true

var token = toLower(uniqueString(subscription().id, environmentName, location))

// Every module is given the names of what others make from here, and not from their outputs, which nobody knows before they
// have run: so What-If (azd provision --preview) can tell what a deployment would change. dependsOn keeps the order.
var names = {
  identity: 'id-${token}'
  storage: 'st${token}'
  keyVault: 'kv-${token}'
  logAnalytics: 'log-${token}'
  applicationInsights: 'appi-${token}'
  actionGroup: 'ag-${token}'
  network: 'vnet-${token}'
  plan: 'plan-${token}'
  app: 'func-${token}'
  dataCollectionRule: 'dcr-${token}'
}

var tags = { 'azd-env-name': environmentName }
var deploymentContainerName = 'deployments'
var entraTenant = empty(entraTenantId) ? subscription().tenantId : entraTenantId
var cloudsOfMicrosoft365 = {
  AzureCloud: 'global'
  AzureUSGovernment: 'gcchigh'
  AzureChinaCloud: 'china'
}

// A resource id has its subscription, resource group and name in these places; the empty one must have them, too.
var noWorkspace = '${subscription().id}/resourceGroups/none/providers/Microsoft.OperationalInsights/workspaces/none'
var sentinelId = split(empty(sentinelWorkspaceId) ? noWorkspace : sentinelWorkspaceId, '/')

// What ALLOWED_TOKEN_AUDIENCES allows by itself, where the setting must name Azure Monitor beside it.
var defaultTokenAudiences = [
  'https://service.flow.microsoft.com/'
  'https://gov.service.flow.microsoft.us/'
  'https://high.service.flow.microsoft.us/'
  'https://service.flow.appsplatform.us/'
  'https://service.powerautomate.cn/'
  'api://*'
]
var audiencesOfMonitor = {
  AzureCloud: 'https://monitor.azure.com'
  AzureUSGovernment: 'https://monitor.azure.us'
  AzureChinaCloud: 'https://monitor.azure.cn'
}
var chosenTokenAudiences = empty(allowedTokenAudiences) ? join(defaultTokenAudiences, ',') : allowedTokenAudiences
var withMonitor = '${chosenTokenAudiences},${audiencesOfMonitor[environment().name]}'
var tokenAudiences = empty(sentinelWorkspaceId) ? allowedTokenAudiences : withMonitor

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: empty(resourceGroupName) ? 'rg-${environmentName}' : resourceGroupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: {
    name: names.identity
    location: location
    tags: tags
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  dependsOn: [
    monitoring
  ]
  params: {
    name: names.storage
    location: location
    tags: tags
    redundancy: storageRedundancy
    isPrivate: privateNetwork
    deploymentContainerName: deploymentContainerName
    logAnalyticsName: names.logAnalytics
    logAccess: logStorageAccess
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    logAnalyticsName: names.logAnalytics
    applicationInsightsName: names.applicationInsights
    actionGroupName: names.actionGroup
    location: location
    tags: tags
    logRetentionDays: logRetentionDays
    logDailyCapGb: logDailyCapGb
    alertEmails: empty(alertEmails) ? [] : split(replace(alertEmails, ' ', ''), ',')
    alertWebhookUrl: alertWebhookUrl
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  dependsOn: [
    monitoring
  ]
  params: {
    location: location
    tags: tags
    logAnalyticsName: names.logAnalytics
    actionGroupName: names.actionGroup
    overrides: {} // other thresholds, severities and times than those of alerts.bicep, by rule
  }
}

module workbook 'modules/workbook.bicep' = {
  scope: group
  dependsOn: [
    monitoring
  ]
  params: {
    location: location
    tags: tags
    logAnalyticsName: names.logAnalytics
  }
}

module keyVault 'modules/keyvault.bicep' = {
  scope: group
  dependsOn: [
    monitoring
  ]
  params: {
    name: names.keyVault
    location: location
    tags: tags
    secretsKey: secretsKey
    recover: recoverKeyVault
    isPrivate: privateNetwork
    logAnalyticsName: names.logAnalytics
  }
}

module roles 'modules/roles.bicep' = {
  scope: group
  dependsOn: [
    storage
    keyVault
    monitoring
  ]
  params: {
    principalId: identity.outputs.principalId
    storageName: names.storage
    keyVaultName: names.keyVault
    applicationInsightsName: names.applicationInsights
  }
}

module sentinel 'modules/sentinel.bicep' = if (!empty(sentinelWorkspaceId)) {
  scope: resourceGroup(sentinelId[2], sentinelId[4])
  params: {
    workspaceName: sentinelId[8]
    withRules: sentinelRules
  }
}

module ingestion 'modules/ingestion.bicep' = if (!empty(sentinelWorkspaceId)) {
  scope: group
  dependsOn: [
    sentinel // the rule is refused where the table is not there
  ]
  params: {
    name: names.dataCollectionRule
    location: empty(sentinelLocation) ? location : sentinelLocation
    tags: tags
    workspaceId: sentinelWorkspaceId
    principalId: identity.outputs.principalId
  }
}

// By its name in network.bicep.
var appSubnetId = resourceId(
  subscription().subscriptionId,
  group.name,
  'Microsoft.Network/virtualNetworks/subnets',
  names.network,
  'app'
)

module network 'modules/network.bicep' = if (privateNetwork) {
  scope: group
  dependsOn: [
    storage
    keyVault
  ]
  params: {
    name: names.network
    location: location
    tags: tags
    addressPrefix: networkAddressPrefix
    storageName: names.storage
    keyVaultName: names.keyVault
  }
}

module app 'modules/app.bicep' = {
  scope: group
  dependsOn: [
    identity
    storage
    keyVault
    monitoring
    network
    roles // a Key Vault reference that cannot be read at first is tried again only hours later
  ]
  params: {
    name: names.app
    planName: names.plan
    location: location
    tags: tags
    identityName: names.identity
    storageName: names.storage
    deploymentContainerName: deploymentContainerName
    keyVaultName: names.keyVault
    applicationInsightsName: names.applicationInsights
    subnetId: privateNetwork ? appSubnetId : ''
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReadyHttp: alwaysReadyHttp
    alwaysReadyDispatch: alwaysReadyDispatch
    zoneRedundant: zoneRedundant
    entraTenantId: entraTenant
    entraClientId: entraClientId
    easyAuth: easyAuth
    allowedCallers: empty(allowedCallers) ? [] : split(replace(allowedCallers, ' ', ''), ',')
    settings: {
      ENTRA_CLOUD: empty(entraCloud) ? cloudsOfMicrosoft365[environment().name] : entraCloud
      TENANT_ID: tenantId
      TENANT_DISPLAY_NAME: tenantDisplayName
      TENANT_MICROSOFT_ID: tenantMicrosoftId
      RETRY_DELAYS: retryDelays
      DEDUPE_HOURS: string(dedupeHours)
      RETENTION_DAYS: string(retentionDays)
      DISABLE_AFTER_HOURS: string(disableAfterHours)
      BREAKER_PROBE_SECONDS: string(breakerProbeSeconds)
      BREAKER_GRACE_SECONDS: string(breakerGraceSeconds)
      ALLOWED_ENDPOINT_HOSTS: allowedEndpointHosts
      ALLOWED_ENDPOINT_PORTS: allowedEndpointPorts
      MAX_ENDPOINTS_PER_OWNER: string(maxEndpointsPerOwner)
      ALLOWED_TOKEN_AUDIENCES: tokenAudiences
      MAIL_SENDERS: mailSenders
      PUBLIC_URL: publicUrl
      STORAGE_SCAN_SCHEDULE: storageScanSchedule
      STORAGE_THRESHOLDS: storageThresholds
      STORAGE_HYSTERESIS: string(storageHysteresis)
      STORAGE_CONFIRM_CROSSINGS: string(storageConfirmCrossings)
      SHARING_POLL_SCHEDULE: watchSharing ? '0 */5 * * * *' : ''
      SHARING_EVENTS: sharingEvents
      SHARING_INTERNAL_DOMAINS: sharingInternalDomains
      SHARING_CLIENT_IP: string(sharingClientIp)
      MANAGEMENT_BASE_URL: managementBaseUrl
      PROVISIONING_KINDS: provisioningKinds
      SHAREPOINT_BASE_URL: sharePointBaseUrl
      'AzureWebJobs.dispatch.Disabled': string(pauseDeliveries)
      'AzureWebJobs.scan_storage.Disabled': string(pauseStorageScan)
    }
  }
}

// What the hooks, the scripts and the operator need. azd keeps these in its environment: no secret may be among them.

@description('Resource group of the deployment.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the function app.')
output AZURE_FUNCTION_APP_NAME string = names.app

@description('Address of the API.')
output API_URL string = app.outputs.url

@description('Name of the Key Vault: by it the hook finds out whether the key exists.')
output AZURE_KEY_VAULT_NAME string = names.keyVault

@description('Name of the storage account.')
output AZURE_STORAGE_ACCOUNT_NAME string = names.storage

@description('Client id of the app\'s managed identity.')
output APP_IDENTITY_CLIENT_ID string = identity.outputs.clientId

@description('Object id of the app\'s managed identity, which takes Microsoft Graph permissions.')
output APP_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId

@description('The address that deliveries come from; empty without a network of the app\'s own.')
output OUTBOUND_ADDRESS string = privateNetwork ? network!.outputs.outboundAddress : ''

@description('The URL to register for the wire format sentinel; empty without such a workspace.')
output SENTINEL_ENDPOINT string = empty(sentinelWorkspaceId) ? '' : ingestion!.outputs.endpoint
