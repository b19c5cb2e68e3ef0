// The workbook: what happened, in one page. Its layout is workbook.json, in which a query is the name of a file in
// docs/queries: so the page, the alert rules and whoever pastes a query into the portal read the same text.

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the Log Analytics workspace that the queries read.')
param logAnalyticsName string

@description('Title of the workbook in the portal.')
param displayName string = 'Tenant Hooks'

var queries = {
  'alerts/alert-log-grows': loadTextContent('../../docs/queries/alerts/alert-log-grows.kql')
  'workbook/attempt-latency': loadTextContent('../../docs/queries/workbook/attempt-latency.kql')
  'workbook/deliveries-per-minute': loadTextContent('../../docs/queries/workbook/deliveries-per-minute.kql')
  'workbook/endpoint-changes': loadTextContent('../../docs/queries/workbook/endpoint-changes.kql')
  'workbook/failed-runs': loadTextContent('../../docs/queries/workbook/failed-runs.kql')
  'workbook/failing-endpoints': loadTextContent('../../docs/queries/workbook/failing-endpoints.kql')
  'workbook/deferred-deliveries': loadTextContent('../../docs/queries/workbook/deferred-deliveries.kql')
  'workbook/deferred-endpoints': loadTextContent('../../docs/queries/workbook/deferred-endpoints.kql')
  'workbook/oldest-message': loadTextContent('../../docs/queries/workbook/oldest-message.kql')
  'workbook/publish-to-success': loadTextContent('../../docs/queries/workbook/publish-to-success.kql')
  'workbook/published-events': loadTextContent('../../docs/queries/workbook/published-events.kql')
  'workbook/queue-depth': loadTextContent('../../docs/queries/workbook/queue-depth.kql')
  'workbook/sharing-polls': loadTextContent('../../docs/queries/workbook/sharing-polls.kql')
  'workbook/sites-near-limit': loadTextContent('../../docs/queries/workbook/sites-near-limit.kql')
  'workbook/slowest-endpoints': loadTextContent('../../docs/queries/workbook/slowest-endpoints.kql')
  'workbook/storage-scans': loadTextContent('../../docs/queries/workbook/storage-scans.kql')
  'workbook/success-rate': loadTextContent('../../docs/queries/workbook/success-rate.kql')
  'workbook/workspaces': loadTextContent('../../docs/queries/workbook/workspaces.kql')
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: logAnalyticsName
}

var layout = any(loadJsonContent('../workbook.json'))
var here = [workspace.id] // so that the page works wherever it is opened from
var contents = [
  for item in layout.items: item.type == 3 ? { query: queries[item.content.query], crossComponentResources: here } : {}
]
var filled = [for (item, i) in layout.items: union(item, { content: contents[i] })]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'tenant-hooks')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    sourceId: workspace.id
    version: 'Notebook/1.0'
    serializedData: string(union(layout, { items: filled, fallbackResourceIds: [workspace.id] }))
  }
}
