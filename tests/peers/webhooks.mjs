// Reads lines of {secret, body, headers} from stdin; prints for each what two libraries say about its signature.
import { createInterface } from "node:readline";
import * as standard from "standardwebhooks";
import * as svix from "svix";

function verdict(check) {
  try { check(); return "valid"; } catch (error) { return error.message; }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, body, headers } = JSON.parse(line);
  console.log(JSON.stringify({
    standardwebhooks: verdict(() => new standard.Webhook(secret).verify(body, headers)),
    svix: verdict(() => new svix.Webhook(secret).verify(body, headers)),
  }));
}
