// A client of the Sendarix API on fetch alone: one function that calls, and sends again what may be sent again.
// Written from the documentation at /docs: "The first mail" and "Sending it again".
import { randomUUID } from "node:crypto";

export const ATTEMPTS = 5;

// Seconds to wait after attempt number `attempt`, counted from 0. `jitter` is 0 to 1, `retryAfter` what the server asked for.
export function delay(attempt, jitter, retryAfter = 0) {
  return Math.max(Math.min(1 * 2 ** attempt + jitter, 60), retryAfter);
}

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `HTTP status ${status}`);
    Object.assign(this, { status, problem, code: problem.code, retryable: problem.retryable ?? status >= 500 });
  }
}

export class Sendarix {
  constructor(url, key, { onWait = () => {} } = {}) {
    Object.assign(this, { url: url.replace(/\/$/, ""), key, onWait });
  }

  send(message, idempotencyKey) { return this.call("POST", "/v1/messages", message, idempotencyKey); }
  read(id) { return this.call("GET", `/v1/messages/${encodeURIComponent(id)}`); }
  cancel(id) { return this.call("DELETE", `/v1/messages/${encodeURIComponent(id)}`); }

  // Every message that matches, page after page.
  async *list(filters = {}) {
    let cursor;
    do {
      const query = new URLSearchParams({ limit: "100", ...filters, ...(cursor && { cursor }) });
      const page = await this.call("GET", `/v1/messages?${query}`);
      yield* page.data;
      cursor = page.has_more ? page.next_cursor : undefined;
    } while (cursor);
  }

  async call(method, path, body, idempotencyKey) {
    const headers = { Authorization: `Bearer ${this.key}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method === "POST") headers["Idempotency-Key"] = idempotencyKey ?? randomUUID(); // the same over all attempts
    for (let attempt = 0; ; attempt++) {
      let failure, retryAfter = 0;
      try {
        const answer = await fetch(this.url + path, {
          method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30_000),
        });
        const text = await answer.text();
        if (answer.ok) return text ? JSON.parse(text) : null;
        failure = new ApiError(answer.status, problemOf(text));
        if (!failure.retryable) throw failure;
        retryAfter = Number(answer.headers.get("Retry-After") ?? 0);
      } catch (error) {
        if (error === failure) throw error;
        failure ??= error; // no answer came: nobody knows what became of it, and the key makes a second try safe
      }
      if (attempt + 1 === ATTEMPTS) throw failure;
      const seconds = delay(attempt, Math.random(), retryAfter);
      this.onWait(seconds, failure);
      await new Promise((done) => setTimeout(done, seconds * 1000));
    }
  }
}

function problemOf(text) {
  try { return JSON.parse(text); } catch { return {}; }
}
