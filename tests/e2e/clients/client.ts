// What a person writes with a client that was generated from /openapi.json. It must compile: no cast, no `any`.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

const url = process.env.RECEIVER ?? "";
const client = createClient<paths>({
  baseUrl: process.env.BASE,
  headers: { Authorization: `Bearer ${process.env.TOKEN}` },
});

async function publish(): Promise<object> {
  const registration: components["schemas"]["Registration"] = {
    endpoint: url,
    types: ["custom.*"],
    minSeverity: null,
    format: "point",
    settings: null,
    auth: { type: "headers", headers: { "X-Api-Key": "k" } },
  };
  const prefer = { header: { Prefer: "return=representation" } };
  const registered = await client.POST("/v1.0/webhooks/endpoints", { params: prefer, body: registration });
  const events: components["schemas"]["EventBatch"] = [1, 2, 3].map((number) => ({
    type: "custom.generated",
    content: { number },
    meta: { idempotencyKey: `${process.env.KEY}-${number}` },
    severity: "high",
  }));
  const published = await client.POST("/v1.0/events", { body: events });
  const accepted = Array.isArray(published.data) ? published.data : [];
  return {
    endpoint: registered.data?.id,
    state: registered.data?.health.state,
    accepted: accepted.map((each) => [each.idempotencyKey, each.deliveries, each.duplicate]),
  };
}

async function list(endpoint: string): Promise<object> {
  const listed: string[] = [];
  let pages = 0;
  let continuation: string | undefined;
  do {
    const query: paths["/v1.0/webhooks/deliveries"]["get"]["parameters"]["query"] = { endpoint, top: 2, continuation };
    const page = await client.GET("/v1.0/webhooks/deliveries", { params: { query } });
    for (const line of page.data?.value ?? []) {
      listed.push("idempotencyKey" in line ? line.idempotencyKey : line.message);
    }
    continuation = page.data?.continuation;
    pages += 1;
  } while (continuation !== undefined);

  const lost = await client.GET("/v1.0/webhooks/endpoints/{id}", { params: { path: { id: "A".repeat(26) } } });
  const problem: components["schemas"]["Problem"] | undefined = lost.error;
  return { listed, pages, problem: [problem?.status, problem?.type, problem?.detail] };
}

const [, , what, endpoint = ""] = process.argv;
void (what === "publish" ? publish() : list(endpoint)).then((found) => console.log(JSON.stringify(found)));
