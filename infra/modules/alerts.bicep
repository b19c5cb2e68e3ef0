// Alert rules on the log: each is a query in docs/queries/alerts, a threshold, and what to do when it is passed.
//
// There are two kinds. A *state* (a queue is late) fires once and is resolved by itself when it is over. An *event* (an
// endpoint was disabled) is over at once and yet not mended, so that "resolved" would be wrong: such a rule is silent for
// a while after it fired. That while is the rule's window: then every line is told of once, and none is missed. Windows
// are longer than the time between two evaluations because lines arrive minutes late.

// enabled: whether the rule is evaluated.
// severity: 0 critical, 1 error, 2 warning, 3 informational, 4 verbose.
// threshold: the rule fires above it (app-is-silent: below it).
// evaluationFrequency: how often the query runs, such as PT5M. PT1M costs most.
// windowSize: the time that the query looks at, such as PT15M; at least evaluationFrequency.
// muteActionsDuration: how long the rule of an event is silent after it fired: as long as windowSize. '' makes it a state.
@sealed()
type ruleSettings = {
  enabled: bool?
  severity: int?
  threshold: int?
  evaluationFrequency: string?
  windowSize: string?
  muteActionsDuration: string?
}

@sealed()
type rulesSettings = {
  alertLogGrows: ruleSettings?
  appIsSilent: ruleSettings?
  attemptsFail: ruleSettings?
  endpointDisabled: ruleSettings?
  invocationsFail: ruleSettings?
  poisonQueueStaysFull: ruleSettings?
  provisioningFails: ruleSettings?
  queueIsLate: ruleSettings?
  requestsFail: ruleSettings?
  sharingPollFails: ruleSettings?
  storageScanFails: ruleSettings?
}

@description('Azure region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the Log Analytics workspace that the queries read.')
param logAnalyticsName string

@description('Name of the action group that is told.')
param actionGroupName string

@description('What the names of the rules begin with.')
param namePrefix string = 'tenant-hooks'

@description('Where the sections are that a message about an alert points to.')
param documentation string = 'docs/operations.md'

@description('What differs from the defaults below, by rule: {"queueIsLate": {"threshold": 900, "severity": 2}}.')
param overrides rulesSettings = {}

var byEndpoint = [
  {
    name: 'endpointId'
    operator: 'Include'
    values: ['*']
  }
]
var byFunction = [
  {
    name: 'function'
    operator: 'Include'
    values: ['*']
  }
]
var byQueue = [
  {
    name: 'queue'
    operator: 'Include'
    values: ['*']
  }
]

var defaults = {
  alertLogGrows: {
    name: 'alert-log-grows'
    title: 'Tenant Hooks: new rows in the alert log'
    description: 'Deliveries to this endpoint were given up. Mend its receiver, then retry or replay them.'
    query: loadTextContent('../../docs/queries/alerts/alert-log-grows.kql')
    enabled: true
    severity: 2
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: byEndpoint
    evaluationFrequency: 'PT5M'
    windowSize: 'PT1H'
    muteActionsDuration: 'PT1H'
  }
  appIsSilent: {
    name: 'app-is-silent'
    title: 'Tenant Hooks: the app is silent'
    description: 'Nothing was measured for fifteen minutes: the app does not run, its storage is out of reach, or its log does not arrive. Ask /health, then look at the start of the app and at the daily cap of the log.'
    query: loadTextContent('../../docs/queries/alerts/app-is-silent.kql')
    enabled: true
    severity: 0
    aggregation: 'Count'
    operator: 'LessThan'
    threshold: 1
    dimensions: []
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
  }
  attemptsFail: {
    name: 'attempts-fail'
    title: 'Tenant Hooks: most attempts fail'
    description: 'More than the given share of all attempts failed. One endpoint, or many? Many at once point to this app\'s own network, DNS or outbound address.'
    query: loadTextContent('../../docs/queries/alerts/attempts-fail.kql')
    enabled: true
    severity: 2
    aggregation: 'Maximum'
    measure: 'failedPercent'
    operator: 'GreaterThan'
    threshold: 50
    dimensions: []
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
  }
  endpointDisabled: {
    name: 'endpoint-disabled'
    title: 'Tenant Hooks: an endpoint was disabled'
    description: 'It receives nothing more. When its receiver is well again, or has a new address: enable it, then replay what was cancelled.'
    query: loadTextContent('../../docs/queries/alerts/endpoint-disabled.kql')
    enabled: true
    severity: 2
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: byEndpoint
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    muteActionsDuration: 'PT15M'
  }
  invocationsFail: {
    name: 'invocations-fail'
    title: 'Tenant Hooks: a queue or timer function fails'
    description: 'This function ends with exceptions. Messages come back ten times, a minute apart: there are ten minutes until deliveries go into the alert log. Look at the exceptions: storage, or SECRETS_KEY.'
    query: loadTextContent('../../docs/queries/alerts/invocations-fail.kql')
    enabled: true
    severity: 1
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 2
    dimensions: byFunction
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
  }
  poisonQueueStaysFull: {
    name: 'poison-queue-stays-full'
    title: 'Tenant Hooks: the poison queue stays full'
    description: 'Exhausted deliveries wait to get into the alert log: the functions exhausted and sweep do not run, or fail. Look at their exceptions.'
    query: loadTextContent('../../docs/queries/alerts/poison-queue-stays-full.kql')
    enabled: true
    severity: 1
    aggregation: 'Minimum'
    measure: 'length'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: []
    evaluationFrequency: 'PT5M'
    windowSize: 'PT30M'
  }
  queueIsLate: {
    name: 'queue-is-late'
    title: 'Tenant Hooks: deliveries are late'
    description: 'The first message in this queue has been due for longer than the given seconds. Allow more instances, or find out why dispatch does not run.'
    query: loadTextContent('../../docs/queries/alerts/queue-is-late.kql')
    enabled: true
    severity: 1
    aggregation: 'Maximum'
    measure: 'oldestSeconds'
    operator: 'GreaterThan'
    threshold: 300
    dimensions: byQueue
    evaluationFrequency: 'PT5M'
    windowSize: 'PT10M'
  }
  requestsFail: {
    name: 'requests-fail'
    title: 'Tenant Hooks: the API answers 5xx'
    description: 'Callers are told to try again; events of those that do not are lost to them. Ask /health; 503 is storage or the token issuer, 500 a wrong setting or a defect.'
    query: loadTextContent('../../docs/queries/alerts/requests-fail.kql')
    enabled: true
    severity: 1
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 5
    dimensions: []
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
  }
  provisioningFails: {
    name: 'provisioning-fails'
    title: 'Tenant Hooks: a workspace could not be made'
    description: 'Its requester is told by an event. The line says why: mostly a missing permission, a name that the tenant refuses, or an address that is taken.'
    query: loadTextContent('../../docs/queries/alerts/provisioning-fails.kql')
    enabled: true
    severity: 2
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: []
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    muteActionsDuration: 'PT1H'
  }
  sharingPollFails: {
    name: 'sharing-poll-fails'
    title: 'Tenant Hooks: sharing is not read, or a part of it is lost'
    description: 'The line says why: mostly a missing permission, or auditing that is off in the tenant. What is listed is told late; a gap or a lost part is not told at all, and must be looked up in the audit log.'
    query: loadTextContent('../../docs/queries/alerts/sharing-poll-fails.kql')
    enabled: true
    severity: 2
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: []
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    muteActionsDuration: 'PT1H'
  }
  storageScanFails: {
    name: 'storage-scan-fails'
    title: 'Tenant Hooks: a storage scan failed or saw no sites'
    description: 'Threshold crossings are not seen until a scan sees the sites; none is lost. The line says why, mostly a missing Microsoft Graph permission, or reports that conceal the names of sites.'
    query: loadTextContent('../../docs/queries/alerts/storage-scan-fails.kql')
    enabled: true
    severity: 2
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: []
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    muteActionsDuration: 'PT1H'
  }
}

var rules = items(any(union(defaults, overrides)))

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = {
  name: logAnalyticsName
}

resource actions 'Microsoft.Insights/actionGroups@2023-01-01' existing = {
  name: actionGroupName
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in rules: {
    name: '${namePrefix}-${rule.value.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: rule.value.title
      description: '${rule.value.description} See ${documentation}#${rule.value.name}'
      enabled: rule.value.enabled
      severity: rule.value.severity
      scopes: [
        workspace.id
      ]
      evaluationFrequency: rule.value.evaluationFrequency
      windowSize: rule.value.windowSize
      criteria: {
        allOf: [
          {
            query: rule.value.query
            timeAggregation: rule.value.aggregation
            metricMeasureColumn: rule.value.?measure
            operator: rule.value.operator
            threshold: rule.value.threshold
            dimensions: rule.value.dimensions
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      // Azure refuses a rule that has both.
      autoMitigate: empty(rule.value.?muteActionsDuration)
      muteActionsDuration: empty(rule.value.?muteActionsDuration) ? null : rule.value.muteActionsDuration
      skipQueryValidation: true // a new workspace has no table AppTraces until the app has written to it
      actions: {
        actionGroups: [
          actions.id
        ]
      }
    }
  }
]
