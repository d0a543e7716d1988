// Reads every *.eml of a folder with mailauth and mailparser; prints one JSON object per mail.
// Usage: node mails.mjs FOLDER; FOLDER/records.json maps names to the TXT records of its DNS.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { simpleParser } from "mailparser";

const folder = process.argv[2];
const records = JSON.parse(readFileSync(join(folder, "records.json"), "utf8"));

async function resolver(name, type) {
  if (type === "TXT" && records[name]) return [[records[name]]];
  const error = new Error(`no ${type} of ${name}`);
  error.code = "ENOTFOUND";
  throw error;
}

const addresses = (field) =>
  [field].flat().flatMap((each) => (each ? each.value.map((one) => [one.name, one.address]) : []));

for (const file of readdirSync(folder).filter((name) => name.endsWith(".eml")).sort()) {
  const source = readFileSync(join(folder, file));
  const { results } = await dkimVerify(source, { resolver });
  const mail = await simpleParser(source, { skipTextToHtml: true, skipHtmlToText: true, skipImageLinks: true });
  const line = {
    file,
    dkim: results.map((each) => [each.algo, each.status.result]),
    headers: mail.headerLines.map((each) => each.key),
    subject: mail.subject ?? "",
    from: addresses(mail.from),
    to: addresses(mail.to),
    cc: addresses(mail.cc),
    text: mail.text ?? null,
    html: mail.html || null,
    attachments: mail.attachments.map((each) => ({
      filename: each.filename ?? null,
      type: each.contentType,
      cid: each.cid ?? null,
      sha256: createHash("sha256").update(each.content).digest("hex"),
    })),
  };
  process.stdout.write(JSON.stringify(line) + "\n");
}
