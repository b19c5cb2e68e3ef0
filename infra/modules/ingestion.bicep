// The way into the table that sentinel.bicep makes: a data collection rule of kind Direct, which has an address of its own,
// and the role that lets the app POST rows to it.

@description('Name of the data collection rule.')
param name string

@description('Azure region of the workspace: a rule elsewhere is refused.')
param location string

@description('Tags of every resource.')
param tags object

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Object id of the service principal of the app\'s identity.')
param principalId string

var columns = any(loadJsonContent('../sentinel-columns.json'))
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource rule 'Microsoft.Insights/dataCollectionRules@2024-03-11' = {
  name: name
  location: location
  tags: tags
  kind: 'Direct'
  properties: {
    description: 'Rows of events from Tenant Hooks'
    streamDeclarations: {
      'Custom-TenantHooks': {
        columns: [
          for column in columns: {
            name: column.name
            type: column.type
          }
        ]
      }
    }
    destinations: {
      logAnalytics: [
        {
          name: 'workspace'
          workspaceResourceId: workspaceId
        }
      ]
    }
    dataFlows: [
      {
        streams: ['Custom-TenantHooks']
        destinations: ['workspace']
        // An event can arrive hours after it happened, later than any rule looks back: rules go by the time of arrival.
        transformKql: 'source | extend TimeGenerated = now()'
        outputStream: 'Custom-TenantHooks_CL'
      }
    ]
  }
}

// The one role that may POST rows, on this rule alone.
resource rows 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: rule
  name: guid(rule.id, principalId, monitoringMetricsPublisher)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}

var path = 'dataCollectionRules/${rule.properties.immutableId}/streams/Custom-TenantHooks'

@description('The URL to register for the wire format sentinel.')
output endpoint string = '${rule.properties.endpoints.logsIngestion}/${path}?api-version=2023-01-01'
