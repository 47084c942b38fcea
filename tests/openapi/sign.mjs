// Signs GitHub's examples of webhook payloads with GitHub's own library, as JSON and as a form: node sign.mjs <output>
import { writeFile } from "node:fs/promises";
import examples from "@octokit/webhooks-examples/api.github.com/index.json" with { type: "json" };
import { sign } from "@octokit/webhooks-methods";

const secret = "It's a Secret to Everybody";
const signed = [];
for (const { name: event, examples: payloads } of examples) {
  for (const payload of payloads) {
    const json = JSON.stringify(payload);
    const form = new URLSearchParams({ payload: json }).toString();
    signed.push({
      event,
      json: { content_type: "application/json", body: json, signature: await sign(secret, json) },
      form: { content_type: "application/x-www-form-urlencoded", body: form, signature: await sign(secret, form) },
    });
  }
}
await writeFile(process.argv[2], JSON.stringify({ secret, deliveries: signed }));
