// What a workspace needs for rows of events: a table, the function TenantHooks that reads it and, where Microsoft Sentinel
// is on, two analytics rules. In the resource group of the workspace, which is none of this deployment's.

@description('Name of the Log Analytics workspace.')
param workspaceName string

@description('Make the analytics rules, which only a workspace with Microsoft Sentinel takes.')
param withRules bool

var columns = any(loadJsonContent('../sentinel-columns.json'))

var rules = {
  anonymousLinkOnASite: {
    displayName: 'Tenant Hooks: anonymous link on a whole site'
    description: 'Somebody made a link to a site, or to a library of it, that works without signing in.'
    alert: 'Anonymous link on {{SiteUrl}}'
    severity: 'High'
    tactics: ['Exfiltration']
    query: loadTextContent('../../docs/queries/sentinel/anonymous-link-on-a-site.kql')
    entities: [
      {
        entityType: 'URL'
        fieldMappings: [{ identifier: 'Url', columnName: 'SiteUrl' }]
      }
      {
        entityType: 'Account'
        fieldMappings: [{ identifier: 'FullName', columnName: 'Actor' }]
      }
      {
        entityType: 'IP'
        fieldMappings: [{ identifier: 'Address', columnName: 'ClientIp' }]
      }
    ]
  }
  storageCritical: {
    displayName: 'Tenant Hooks: storage critical'
    description: 'The storage of a site passed a threshold of severity critical: uploads fail when it is full.'
    alert: 'Storage critical: {{SiteUrl}}'
    severity: 'Medium'
    tactics: ['Impact']
    query: loadTextContent('../../docs/queries/sentinel/storage-critical.kql')
    entities: [
      {
        entityType: 'URL'
        fieldMappings: [{ identifier: 'Url', columnName: 'SiteUrl' }]
      }
    ]
  }
}

var wanted = withRules ? rules : {}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: workspaceName
}

resource table 'Microsoft.OperationalInsights/workspaces/tables@2025-07-01' = {
  parent: workspace
  name: 'TenantHooks_CL'
  properties: {
    plan: 'Analytics' // analytics rules read no other
    schema: {
      name: 'TenantHooks_CL'
      columns: [
        for column in columns: {
          name: column.name
          type: column.type == 'datetime' ? 'dateTime' : column.type // as tables spell it
          description: column.description
        }
      ]
    }
  }
}

resource reader 'Microsoft.OperationalInsights/workspaces/savedSearches@2025-07-01' = {
  parent: workspace
  name: 'tenant-hooks'
  dependsOn: [
    table
  ]
  properties: {
    category: 'Tenant Hooks'
    displayName: 'Tenant Hooks: events, each once'
    functionAlias: 'TenantHooks'
    query: loadTextContent('../../docs/queries/sentinel/tenant-hooks.kql')
    version: 2
  }
}

// A rule looks at the rows that arrived since it looked last. A row that arrives again is another alert of the same
// incident.
resource analytics 'Microsoft.SecurityInsights/alertRules@2025-09-01' = [
  for rule in items(wanted): {
    scope: workspace
    name: guid(workspace.id, 'tenant-hooks', rule.key)
    kind: 'Scheduled'
    dependsOn: [
      reader
    ]
    properties: {
      displayName: rule.value.displayName
      description: rule.value.description
      enabled: true
      severity: rule.value.severity
      tactics: rule.value.tactics
      query: rule.value.query
      queryFrequency: 'PT5M'
      queryPeriod: 'PT5M'
      triggerOperator: 'GreaterThan'
      triggerThreshold: 0
      suppressionEnabled: false
      suppressionDuration: 'PT1H' // not used, and required
      eventGroupingSettings: {
        aggregationKind: 'AlertPerResult'
      }
      alertDetailsOverride: {
        alertDisplayNameFormat: rule.value.alert
      }
      customDetails: {
        Event: 'IdempotencyKey'
        Tenant: 'SourceTenantName'
      }
      entityMappings: rule.value.entities
      incidentConfiguration: {
        createIncident: true
        groupingConfiguration: {
          enabled: true
          matchingMethod: 'Selected'
          groupByCustomDetails: ['Event']
          groupByEntities: []
          groupByAlertDetails: []
          lookbackDuration: 'P1D'
          reopenClosedIncident: false
        }
      }
    }
  }
]
