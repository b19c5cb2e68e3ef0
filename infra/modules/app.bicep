// The function app on a Flex Consumption plan.
//
// What scales how: all HTTP functions share instances and grow with concurrent requests. `dispatch`, `exhausted` and each
// timer have instances of their own. `dispatch` gets ceil(messages / (batchSize + newBatchThreshold)) of them, so one for
// each 32 messages waiting, until maximumInstanceCount; that is the number to raise when the queue grows old. A timer runs
// on one instance whatever happens.

@description('Name of the function app: part of its public address.')
@minLength(2)
@maxLength(60)
param name string

@description('Name of the plan.')
param planName string

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the managed identity as which the app reaches everything.')
param identityName string

@description('Name of the storage account.')
param storageName string

@description('Name of the blob container that holds the deployment package.')
param deploymentContainerName string

@description('Name of the Key Vault with the secret SECRETS-KEY.')
param keyVaultName string

@description('Name of the Application Insights component.')
param applicationInsightsName string

@description('Resource id of the subnet to send from; empty without a virtual network.')
param subnetId string

@description('Python version.')
param pythonVersion string

@description('Memory of an instance in MB.')
param instanceMemoryMB int

@description('The most instances that each group of functions may grow to.')
param maximumInstanceCount int

@description('Requests that an instance handles at once before the platform adds another.')
param httpConcurrency int

@description('Instances kept warm for HTTP.')
param alwaysReadyHttp int

@description('Instances kept warm for deliveries.')
param alwaysReadyDispatch int

@description('Spread the instances over availability zones, where the region has them.')
param zoneRedundant bool

@description('App settings of Tenant Hooks itself, by name; shared/settings.py says what they mean.')
param settings object

@description('Entra tenant whose tokens are taken.')
param entraTenantId string

@description('Client id of the app registration that tokens must be for.')
param entraClientId string

@description('Put the platform\'s own token check before the app\'s.')
param easyAuth bool

@description('Networks (with a slash) and service tags that may call the API; none: every address may.')
param allowedCallers array

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: keyVaultName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true // Linux
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'api' }) // by which azd finds where to put the package
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled' // callers come from Power Automate and Logic Apps: the bearer token is the key
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId // on this plan all outbound traffic then goes through it
    siteConfig: {
      // Little: this plan refuses what it does not know, ftpsState and linuxFxVersion among it.
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      ipSecurityRestrictionsDefaultAction: empty(allowedCallers) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: [
        for (caller, i) in allowedCallers: {
          name: 'caller-${i}'
          priority: 100 + i
          action: 'Allow'
          ipAddress: caller
          tag: contains(caller, '/') ? 'Default' : 'ServiceTag'
        }
      ]
      scmIpSecurityRestrictionsUseMain: false // deployments come from elsewhere, with an Entra token
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${deploymentContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      scaleAndConcurrency: {
        alwaysReady: concat(
          alwaysReadyHttp > 0 ? [{ name: 'http', instanceCount: alwaysReadyHttp }] : [],
          alwaysReadyDispatch > 0 ? [{ name: 'function:dispatch', instanceCount: alwaysReadyDispatch }] : []
        )
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency // the platform's default for Python is 1
          }
        }
      }
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: union(settings, {
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identity.properties.clientId
    AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
    AzureWebJobsStorage__queueServiceUri: account.properties.primaryEndpoints.queue
    AzureWebJobsStorage__tableServiceUri: account.properties.primaryEndpoints.table
    APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString // an address: it opens nothing
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
    AZURE_CLIENT_ID: identity.properties.clientId
    // Without a version: a rotated key arrives within a day, or at the next change of a setting.
    SECRETS_KEY: '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/SECRETS-KEY)'
    ENTRA_TENANT_ID: entraTenantId
    ENTRA_CLIENT_ID: entraClientId
    PYTHON_THREADPOOL_THREAD_COUNT: '40' // the API and the timers: deliveries need no thread (host.json)
    // 2 MiB, twice the largest body that the app takes. The platform's 100 MiB would be held in memory before the app sees
    // that the caller has no token.
    FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '2097152'
    AzureWebJobsDisableHomepage: 'true'
  })
}

// No user name and password for publishing: azd and the workflow publish with Entra tokens.
resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

// Optional outer layer: a token that is not for this app ends before any of its code runs. The app checks again and reads
// nothing that the platform says of the caller. Takes tokens of version 2 only, which the registration asks for. Always
// deployed: left out, what an earlier deployment switched on would stay on.
resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: easyAuth
    }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
      excludedPaths: [
        '/console'
        '/console/*'
        '/health'
        '/openapi.json'
      ]
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: entraClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${entraTenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            entraClientId
            'api://${entraClientId}'
          ]
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}

@description('Address of the API.')
output url string = 'https://${app.properties.defaultHostName}'
