// A receiver of Tenant Hooks as an Azure Function in C# (isolated worker, .NET 10): verify, put on a queue, answer 202;
// work later, once for each event. Work() is yours to write.
//
// Not compiled and not run by this project's tests: there need be no .NET where they run. It does what
// ../python/function_app.py does, which is tested, step by step and under the same names.

using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using Azure;
using Azure.Data.Tables;
using Azure.Storage.Queues;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Http;
using Microsoft.Extensions.Logging;

namespace TenantHooks.Receivers;

/// <summary>What goes over the queue. No member may be called Id, PopReceipt or the like: the host reads such ones as
/// the message's own.</summary>
public sealed record Received(string WebhookId, string Claim, string Body);

public sealed class Receiver(QueueClient queue, TableClient table, ILogger<Receiver> log)
{
    public const string QueueName = "tenant-hooks-received";
    public const string TableName = "TenantHooksReceived";
    private const long ToleranceSeconds = 300;
    private const int LargestBodyBytes = 40_000;
    private const int LargestMessageBytes = 49_000; // 64 KiB of a queue message, less what base64 adds

    // By default each quote would become \u0022, and each letter outside ASCII six characters. Nothing here is HTML.
    private static readonly JsonSerializerOptions Written = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Put your own work here. What it throws brings the event back, five times; then it is on the poison
    /// queue.</summary>
    private void Work(JsonElement received)
    {
        var key = received.GetProperty("meta").GetProperty("idempotencyKey").GetString();
        log.LogInformation("Worked on {type} {key}", received.GetProperty("type").GetString(), key);
    }

    // Anonymous: the signature is the key.
    [Function("receive")]
    public async Task<HttpResponseData> Receive(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "receive")] HttpRequestData request)
    {
        using var bytes = new MemoryStream();
        await request.Body.CopyToAsync(bytes);
        var body = bytes.ToArray(); // the bytes as they came, which are what is signed
        var secret = Environment.GetEnvironmentVariable("TENANT_HOOKS_SECRET") ?? "";
        var fault = FindFault(body, name => Header(request, name), secret, DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        if (fault is not null) return await Answer(request, HttpStatusCode.Unauthorized, fault);
        var message = JsonSerializer.Serialize(
            new Received(Header(request, "webhook-id"), Guid.NewGuid().ToString(), Encoding.UTF8.GetString(body)),
            Written);
        if (body.Length > LargestBodyBytes || Encoding.UTF8.GetByteCount(message) > LargestMessageBytes)
        {
            var status = HttpStatusCode.RequestEntityTooLarge;
            return await Answer(request, status, "larger than this receiver takes (40,000 bytes)");
        }
        // Before the answer, and therefore not by an output binding, which may be written after it: if this fails, the
        // answer is 500, and the event comes again.
        await queue.SendMessageAsync(message);
        return await Answer(request, HttpStatusCode.Accepted, "accepted");
    }

    [Function("process")]
    public async Task Process([QueueTrigger(QueueName, Connection = "AzureWebJobsStorage")] string message)
    {
        var received = JsonSerializer.Deserialize<Received>(message, Written)!;
        if (!await Claims(received.WebhookId, received.Claim))
        {
            log.LogInformation("Known already: {key}", received.WebhookId);
            return;
        }
        using var document = JsonDocument.Parse(received.Body);
        Work(document.RootElement);
    }

    /// <summary>Why the delivery is not to be believed (Standard Webhooks), or null. <paramref name="now"/> is in
    /// seconds since 1970; an absent header is empty.</summary>
    public static string? FindFault(byte[] body, Func<string, string> header, string secret, long now)
    {
        var id = header("webhook-id");
        var timestamp = header("webhook-timestamp");
        if (id == "" || !Regex.IsMatch(timestamp, @"\A[0-9]{1,12}\z"))
            return "webhook-id or webhook-timestamp is missing";
        if (Math.Abs(now - long.Parse(timestamp, CultureInfo.InvariantCulture)) > ToleranceSeconds)
            return "webhook-timestamp is more than five minutes off";
        byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body];
        var mac = HMACSHA256.HashData(KeyOf(secret), signed);
        var expected = Encoding.UTF8.GetBytes("v1," + Convert.ToBase64String(mac));
        var fits = false;
        // Several signatures while a secret is rotated; all are compared, each in constant time.
        foreach (var each in header("webhook-signature").Split(' '))
            fits |= CryptographicOperations.FixedTimeEquals(expected, Encoding.UTF8.GetBytes(each));
        return fits ? null : "no webhook-signature fits";
    }

    /// <summary>The key in a whsec_… secret. Anybody could sign with an empty one.</summary>
    private static byte[] KeyOf(string secret)
    {
        const string prefix = "whsec_";
        var key = new byte[secret.Length];
        if (!secret.StartsWith(prefix, StringComparison.Ordinal)
            || !Convert.TryFromBase64String(secret[prefix.Length..], key, out var length)
            || length < 24)
            throw new InvalidOperationException("TENANT_HOOKS_SECRET must be the endpoint's secret, whsec_…");
        return key[..length];
    }

    /// <summary>Whether this message is the one that works on the event: the first with its key, each time that it
    /// comes back.</summary>
    private async Task<bool> Claims(string key, string claim)
    {
        try
        {
            await table.AddEntityAsync(new TableEntity("event", key) { ["Claim"] = claim });
            return true;
        }
        catch (RequestFailedException conflict) when (conflict.Status == 409)
        {
            var known = await table.GetEntityAsync<TableEntity>("event", key);
            return known.Value.GetString("Claim") == claim;
        }
    }

    private static string Header(HttpRequestData request, string name) =>
        request.Headers.TryGetValues(name, out var values) ? string.Join(",", values) : "";

    private static async Task<HttpResponseData> Answer(HttpRequestData request, HttpStatusCode status, string text)
    {
        var response = request.CreateResponse(status);
        await response.WriteStringAsync(text);
        return response;
    }
}
