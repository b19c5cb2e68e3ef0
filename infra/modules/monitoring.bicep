// Where logs go, and who is told. Keys are off: telemetry is written and read as an identity.

@description('Name of the Log Analytics workspace.')
param logAnalyticsName string

@description('Name of the Application Insights component.')
param applicationInsightsName string

@description('Name of the action group that every alert goes to.')
param actionGroupName string = 'ag-tenant-hooks'

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Days for which logs are kept. The first 31 cost nothing.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 31

@description('Gigabytes of logs a day at which Azure stops taking more until the next day; -1 for no limit. While it is reached no alert rule sees anything, and app-is-silent fires.')
@minValue(-1)
@maxValue(1000)
param logDailyCapGb int = 10

@description('Addresses that alerts are mailed to. Without any, and without a webhook, alerts are seen in the portal only.')
param alertEmails array = []

@description('An https address that alerts are POSTed to, in the common alert schema. Whoever may read the action group can read it.')
@secure()
param alertWebhookUrl string = ''

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: logAnalyticsName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: logRetentionDays
    workspaceCapping: {
      dailyQuotaGb: logDailyCapGb
    }
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
    publicNetworkAccessForIngestion: 'Enabled'
    publicNetworkAccessForQuery: 'Enabled'
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: applicationInsightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
    SamplingPercentage: 100 // alert rules count log lines: host.json keeps every one, and so must this
    publicNetworkAccessForIngestion: 'Enabled'
    publicNetworkAccessForQuery: 'Enabled'
  }
}

var webhook = {
  name: 'webhook'
  serviceUri: alertWebhookUrl
  useCommonAlertSchema: true
}

resource actions 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'TenantHooks' // at most twelve characters; the sender of messages
    enabled: true
    emailReceivers: [
      for address in alertEmails: {
        name: address
        emailAddress: address
        useCommonAlertSchema: true
      }
    ]
    webhookReceivers: empty(alertWebhookUrl) ? [] : [webhook]
  }
}
