// Sends two messages, one of them for tomorrow, lists both, and takes the second back.
//   SENDARIX_URL=http://127.0.0.1:8000 SENDARIX_API_KEY=sk_test_sdx_… node tour.mjs
import { Sendarix } from "./sendarix.mjs";

const { SENDARIX_URL = "http://127.0.0.1:8000", SENDARIX_API_KEY } = process.env;
if (!SENDARIX_API_KEY) {
  console.error("Set SENDARIX_API_KEY to a key of this installation.");
  process.exit(2);
}
const sendarix = new Sendarix(SENDARIX_URL, SENDARIX_API_KEY, {
  onWait: (seconds, failure) => console.error(`${failure.code ?? failure.message}: trying again in ${seconds.toFixed(1)} s`),
});
const tag = `tour-${Date.now()}`;
const tell = (step, value) => console.log(JSON.stringify({ step, ...value }));

const now = await sendarix.send({
  recipient: "delivered@simulator.sendarix.test", from: "hello@example.com", subject: "Hello", text: "Hello", tags: [tag],
});
tell("sent", now);

const later = await sendarix.send({
  recipient: "delivered@simulator.sendarix.test", from: "hello@example.com",
  template: "otp-code", template_data: { code: "847291", expires_in: "5 minutes" }, tags: [tag],
  scheduled_time: new Date(Date.now() + 24 * 3600 * 1000).toISOString(),
});
tell("scheduled", later);

for await (const message of sendarix.list({ tag })) tell("listed", { message_id: message.message_id, status: message.status });

tell("cancelled", await sendarix.cancel(later.message_id).then(({ message_id, status }) => ({ message_id, status })));

try {
  await sendarix.send({ recipient: "nobody", subject: "Hello", text: "Hello" });
} catch (error) {
  if (error.code !== "validation_error") throw error;
  tell("refused", { code: error.code, errors: error.problem.errors, page: SENDARIX_URL + error.problem.type });
}
