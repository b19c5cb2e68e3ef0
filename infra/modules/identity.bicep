// The one identity of the app: storage, secrets, telemetry, deployment and Microsoft Graph are all reached as it.
// User-assigned, so that its roles exist before the app does and outlive a re-created app.

@description('Name of the managed identity.')
param name string

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Client id: names the identity in app settings.')
output clientId string = identity.properties.clientId

@description('Object id of its service principal: takes roles.')
output principalId string = identity.properties.principalId
