# Pester 5 tests of the module: Invoke-Pester integrations/powershell/tests
#Requires -Version 7.5
#Requires -Modules @{ ModuleName = 'Pester'; ModuleVersion = '5.0' }

BeforeAll {
    Import-Module (Join-Path $PSScriptRoot '..' 'TenantHooks.psd1') -Force

    # The next answers of the API, and the requests that were made. Global, because the mock runs in another scope.
    function Set-Answers([object[]] $Answers) {
        $global:TenantHooksAnswers = [Collections.Generic.Queue[object]]::new()
        foreach ($answer in $Answers) { $global:TenantHooksAnswers.Enqueue($answer) }
        $global:TenantHooksRequests = [Collections.Generic.List[object]]::new()
    }

    function Get-Requests { return , $global:TenantHooksRequests.ToArray() }

    Mock Invoke-WebRequest -ModuleName TenantHooks {
        $made = [pscustomobject]@{ Method = "$Method"; Uri = $Uri.OriginalString; Body = $Body; Headers = $Headers }
        $global:TenantHooksRequests.Add($made)
        $answer = $global:TenantHooksAnswers.Dequeue()
        $bytes = [Text.Encoding]::UTF8.GetBytes($answer.Text)
        return [pscustomobject]@{ StatusCode = $answer.Status; RawContentStream = [IO.MemoryStream]::new($bytes) }
    }
    Connect-TenantHooks https://hooks.contoso.com/ -Token token-1
}

AfterAll { Remove-Variable -Scope Global TenantHooksAnswers, TenantHooksRequests -ErrorAction Ignore }

Describe 'Requests' {
    It 'go to the address with the token' {
        Set-Answers @{ Status = 200; Text = '[]' }
        Get-TenantHooksEndpoint | Should -BeNullOrEmpty
        $request = (Get-Requests)[0]
        $request.Uri | Should -BeExactly 'https://hooks.contoso.com/v1.0/webhooks/endpoints'
        $request.Headers.Authorization | Should -BeExactly 'Bearer token-1'
    }

    It 'carry what was given under the names of the API, and nothing else' {
        Set-Answers @{ Status = 200; Text = '{"id":"A"}' }
        (Register-TenantHooksEndpoint https://a.example/ -Types storage.* -MinSeverity high).id | Should -BeExactly 'A'
        $request = (Get-Requests)[0]
        $request.Body | Should -BeExactly '{"endpoint":"https://a.example/","types":["storage.*"],"minSeverity":"high"}'
        $request.Headers.Prefer | Should -BeExactly 'return=representation'
    }

    It 'clear fields with null' {
        Set-Answers @{ Status = 200; Text = '{"id":"A"}' }
        Set-TenantHooksEndpoint A -Enabled $true -Clear minSeverity
        (Get-Requests)[0].Body | Should -BeExactly '{"enabled":true,"minSeverity":null}'
    }

    It 'are not made with -WhatIf' {
        Set-Answers @()
        Remove-TenantHooksEndpoint A -WhatIf
        Publish-TenantHooksEvent custom.a @{} -WhatIf
        Invoke-TenantHooksReplay A -Since '2026-11-22' -WhatIf
        (Get-Requests).Count | Should -Be 0
    }
}

Describe 'Answers' {
    It 'keep texts that look like times, and names that differ only in case' {
        Set-Answers @{ Status = 200; Text = '{"idempotencyKey":"2026-11-22T10:00:00Z","content":{"a":1,"A":2}}' }
        $event = Get-TenantHooksEvent 2026-11-22T10:00:00Z
        $event.idempotencyKey | Should -BeExactly '2026-11-22T10:00:00Z'
        $event.content.Keys | Should -HaveCount 2
        (Get-Requests)[0].Uri | Should -BeExactly 'https://hooks.contoso.com/v1.0/events/2026-11-22T10%3A00%3A00Z'
    }

    It 'that are problems are thrown in the words of the API' {
        Set-Answers @{ Status = 404; Text = '{"detail":"There is no endpoint with this id."}' }
        { Get-TenantHooksEndpoint A } | Should -Throw '404: There is no endpoint with this id.'
    }

    It 'of something else are not taken for the API' {
        Set-Answers @{ Status = 502; Text = '<html>' }
        { Get-TenantHooksHealth } | Should -Throw '502: the answer is not one of Tenant Hooks*<html>'
    }
}

Describe 'The pipeline' {
    It 'takes endpoints' {
        $two = '[{"id":"A","health":{"state":"disabled"}},{"id":"B","health":{"state":"healthy"}}]'
        Set-Answers @{ Status = 200; Text = $two }, @{ Status = 204; Text = '' }
        Get-TenantHooksEndpoint | Where-Object { $_.health.state -eq 'disabled' } | Remove-TenantHooksEndpoint -Confirm:$false
        (Get-Requests)[1].Uri | Should -BeExactly 'https://hooks.contoso.com/v1.0/webhooks/endpoints/A'
    }

    It 'takes deliveries, page by page' {
        Set-Answers @{ Status = 200; Text = '{"value":[{"id":"1"},{"id":"2"}],"continuation":"next"}' },
        @{ Status = 200; Text = '{"value":[{"id":"3"}]}' },
        @{ Status = 202; Text = '{"id":"3","status":"pending"}' }
        $found = Get-TenantHooksDelivery -Failed -First 10
        $found.id | Should -Be '1', '2', '3'
        ($found[2] | Restart-TenantHooksDelivery).status | Should -BeExactly 'pending'
        (Get-Requests).Uri | Should -Be @(
            'https://hooks.contoso.com/v1.0/webhooks/deliveries?status=failed&top=10'
            'https://hooks.contoso.com/v1.0/webhooks/deliveries?status=failed&top=10&continuation=next'
            'https://hooks.contoso.com/v1.0/webhooks/deliveries/3/retry'
        )
    }

    It 'takes the newest events' {
        $listed = '{"value":[{"idempotencyKey":"k 1","type":"custom.a","severity":"low","deliveries":1}]}'
        Set-Answers @{ Status = 200; Text = $listed }, @{ Status = 200; Text = '{"type":"custom.a","deliveries":[]}' }
        $since = [datetime]::new(2026, 11, 22, 18, 0, 0, [DateTimeKind]::Utc)
        (Get-TenantHooksEvent -Type custom.a -Since $since -First 500 | Get-TenantHooksEvent).type | Should -BeExactly 'custom.a'
        (Get-Requests).Uri | Should -Be @(
            'https://hooks.contoso.com/v1.0/events?type=custom.a&top=100&from=2026-11-22T18%3A00%3A00.000Z'
            'https://hooks.contoso.com/v1.0/events/k%201'
        )
    }

    It 'takes the newest events page by page, and no more than it wants' {
        $one = '{"value":[{"idempotencyKey":"1"},{"idempotencyKey":"2"}],"continuation":"next"}'
        $two = '{"value":[{"idempotencyKey":"3"},{"idempotencyKey":"4"}],"continuation":"more"}'
        Set-Answers @{ Status = 200; Text = $one }, @{ Status = 200; Text = $two }
        $before = [datetime]::new(2026, 11, 22, 18, 0, 0, [DateTimeKind]::Utc)
        (Get-TenantHooksEvent -Before $before -First 3).idempotencyKey | Should -Be '1', '2', '3'
        (Get-Requests).Uri | Should -Be @(
            'https://hooks.contoso.com/v1.0/events?top=3&to=2026-11-22T18%3A00%3A00.000Z'
            'https://hooks.contoso.com/v1.0/events?top=3&to=2026-11-22T18%3A00%3A00.000Z&continuation=next'
        )
    }

    It 'goes on after a page of the newest deliveries that is empty' {
        Set-Answers @{ Status = 200; Text = '{"value":[],"continuation":"next"}' }, @{ Status = 200; Text = '{"value":[{"id":"1"}]}' }
        (Get-TenantHooksDelivery -Newest -Status failed -Type custom.a).id | Should -BeExactly '1'
        (Get-Requests).Uri | Should -Be @(
            'https://hooks.contoso.com/v1.0/webhooks/newest-deliveries?status=failed&type=custom.a&top=50'
            'https://hooks.contoso.com/v1.0/webhooks/newest-deliveries?status=failed&type=custom.a&top=50&continuation=next'
        )
    }

    It 'begins with the newest where no event is named' {
        Set-Answers @{ Status = 200; Text = '{"value":[]}' }, @{ Status = 200; Text = '{"value":[{"id":"1"}]}' }
        Get-TenantHooksEvent | Should -BeNullOrEmpty
        (Get-TenantHooksDelivery -Newest -First 300).id | Should -BeExactly '1'
        (Get-Requests).Uri | Should -Be @(
            'https://hooks.contoso.com/v1.0/events?top=50'
            'https://hooks.contoso.com/v1.0/webhooks/newest-deliveries?top=100'
        )
    }

    It 'takes events' {
        Set-Answers @{ Status = 202; Text = '{"deliveries":1}' }
        [pscustomobject]@{ Type = 'custom.a'; Content = @{ n = 1 }; IdempotencyKey = 'k' } | Publish-TenantHooksEvent
        (Get-Requests)[0].Body | Should -BeExactly '{"type":"custom.a","content":{"n":1},"meta":{"idempotencyKey":"k"}}'
    }
}

Describe 'Objects that say less than the one before' {
    It 'take nothing over from it' {
        Set-Answers @{ Status = 202; Text = '{"deliveries":1}' }, @{ Status = 202; Text = '{"deliveries":1}' }
        $at = [datetime]::new(2026, 11, 22, 18, 0, 0, [DateTimeKind]::Utc)
        $null = @(
            [pscustomobject]@{ Type = 'custom.a'; Content = @{ n = 1 }; Severity = 'high'; Tenant = @{ id = 't' }; TimeStamp = $at }
            [pscustomobject]@{ Type = 'custom.b'; Content = @{ n = 2 } }
        ) | Publish-TenantHooksEvent
        (Get-Requests).Body | Should -BeExactly @(
            '{"type":"custom.a","content":{"n":1},"severity":"high","tenant":{"id":"t"},"meta":{"timeStamp":"2026-11-22T18:00:00.000Z"}}'
            '{"type":"custom.b","content":{"n":2}}'
        )
    }
}

Describe 'A replay' {
    It 'goes through all pages under one key' {
        Set-Answers @{ Status = 202; Text = '{"count":1000,"continuation":"c"}' }, @{ Status = 202; Text = '{"count":5}' }
        $since = [datetime]::new(2026, 11, 22, 18, 0, 0, [DateTimeKind]::Utc)
        (Invoke-TenantHooksReplay A -Since $since -Status failed -Confirm:$false).Count | Should -Be 1005
        $made = Get-Requests
        $made[0].Body | Should -BeExactly '{"since":"2026-11-22T18:00:00.000Z","status":"failed"}'
        $made[1].Body | Should -BeExactly '{"since":"2026-11-22T18:00:00.000Z","status":"failed","continuation":"c"}'
        $made[0].Headers['Idempotency-Key'] | Should -BeExactly $made[1].Headers['Idempotency-Key']
    }
}

Describe 'Every function' {
    It 'has help with an example: <_>' -ForEach @((Import-PowerShellDataFile (Join-Path $PSScriptRoot '..' 'TenantHooks.psd1')).FunctionsToExport) {
        $help = Get-Help $_ -Full
        $help.Synopsis.Trim() | Should -Not -BeLike "$_*"
        $help.examples.example | Should -Not -BeNullOrEmpty
    }
}
