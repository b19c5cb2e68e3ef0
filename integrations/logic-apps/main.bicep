// Four Logic Apps (Consumption) that work with Tenant Hooks. Each has an identity of its own and no secret:
// grant the app roles of the output `roles`, then deploy again with state 'Enabled'. README.md tells the steps.
targetScope = 'resourceGroup'

@description('Region of the workflows.')
param location string = resourceGroup().location

@description('Begins the names of the workflows.')
@minLength(2)
@maxLength(40)
param namePrefix string = 'tenant-hooks'

@description('Address of Tenant Hooks, without a slash at the end: https://contoso-hooks.azurewebsites.net')
param appUrl string

@description('Client id of the app registration of Tenant Hooks (ENTRA_CLIENT_ID).')
param clientId string

@description('Enable only after the roles are granted: a webhook trigger subscribes at once, and Azure keeps a token without the role for hours.')
@allowed([
  'Disabled'
  'Enabled'
])
param state string = 'Disabled'

@description('The key by which the workflow of provisioning events subscribes. Two workflows of one identity need two keys.')
param subscriptionKey string = 'provisioning-events'

@secure()
@description('Where tickets are created: a URL that takes a JSON body by POST.')
param ticketUrl string

@description('Audience of the token for the ticket system, which must take Entra tokens: api://<its client id>')
param ticketAudience string

@secure()
@description('Where the report of the alert log and the card of a full site go: the URL of a Teams workflow ("When a Teams webhook request is received").')
param reportUrl string

@description('Tags of the workflows.')
param tags object = {}

var audience = 'api://${clientId}'

resource provisioningEvents 'Microsoft.Logic/workflows@2019-05-01' = {
  name: '${namePrefix}-provisioning-events'
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    state: state
    definition: loadJsonContent('definitions/provisioning-events.json')
    parameters: {
      appUrl: {
        value: appUrl
      }
      audience: {
        value: audience
      }
      subscriptionKey: {
        value: subscriptionKey
      }
    }
  }
}

resource failedProvisioningTicket 'Microsoft.Logic/workflows@2019-05-01' = {
  name: '${namePrefix}-failed-provisioning-ticket'
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    state: state
    definition: loadJsonContent('definitions/failed-provisioning-ticket.json')
    parameters: {
      ticketUrl: {
        value: ticketUrl
      }
      ticketAudience: {
        value: ticketAudience
      }
    }
  }
}

resource alertLogReport 'Microsoft.Logic/workflows@2019-05-01' = {
  name: '${namePrefix}-alert-log-report'
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    state: state
    definition: loadJsonContent('definitions/alert-log-report.json')
    parameters: {
      appUrl: {
        value: appUrl
      }
      audience: {
        value: audience
      }
      reportUrl: {
        value: reportUrl
      }
    }
  }
}

resource storageCard 'Microsoft.Logic/workflows@2019-05-01' = {
  name: '${namePrefix}-storage-card'
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    state: state
    definition: loadJsonContent('definitions/storage-card.json')
    parameters: {
      appUrl: {
        value: appUrl
      }
      audience: {
        value: audience
      }
      subscriptionKey: {
        value: 'storage-card'
      }
      reportUrl: {
        value: reportUrl
      }
    }
  }
}

@description('The app roles of Tenant Hooks that each identity needs. The workflow of tickets needs one in the ticket system instead.')
output roles array = [
  {
    workflow: provisioningEvents.name
    principalId: provisioningEvents.identity.principalId
    role: 'Point.Subscribe'
  }
  {
    workflow: alertLogReport.name
    principalId: alertLogReport.identity.principalId
    role: 'Point.Read'
  }
  {
    workflow: storageCard.name
    principalId: storageCard.identity.principalId
    role: 'Point.Subscribe'
  }
]

@description('The identity for which the ticket system must know a role.')
output ticketPrincipalId string = failedProvisioningTicket.identity.principalId
