// Not compiled and not run by this project's tests; see Receiver.cs.

using Azure.Data.Tables;
using Azure.Identity;
using Azure.Storage.Queues;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using TenantHooks.Receivers;

// What the queue trigger expects unless host.json says otherwise.
var encoding = new QueueClientOptions { MessageEncoding = QueueMessageEncoding.Base64 };
var connection = Environment.GetEnvironmentVariable("AzureWebJobsStorage");
QueueClient queue;
TableClient table;
if (!string.IsNullOrEmpty(connection))
{
    queue = new QueueClient(connection, Receiver.QueueName, encoding);
    table = new TableClient(connection, Receiver.TableName);
}
else
{
    // The storage account that the app's managed identity may use.
    var account = Environment.GetEnvironmentVariable("AzureWebJobsStorage__accountName");
    if (string.IsNullOrEmpty(account))
        throw new InvalidOperationException(
            "Set AzureWebJobsStorage__accountName to the name of the storage account that the app's identity may use, "
            + "or AzureWebJobsStorage to a connection string.");
    var identity = new DefaultAzureCredential();
    var address = new Uri($"https://{account}.queue.core.windows.net/{Receiver.QueueName}");
    queue = new QueueClient(address, identity, encoding);
    table = new TableClient(new Uri($"https://{account}.table.core.windows.net"), Receiver.TableName, identity);
}
await queue.CreateIfNotExistsAsync();
await table.CreateIfNotExistsAsync();

// Without ASP.NET Core's own pipeline: an answer then goes out when the function has ended, and not before.
var host = new HostBuilder()
    .ConfigureFunctionsWorkerDefaults()
    .ConfigureServices(services => services.AddSingleton(queue).AddSingleton(table))
    .Build();
await host.RunAsync();
