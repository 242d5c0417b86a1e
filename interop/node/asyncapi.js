// Prints what @asyncapi/parser has to say of the documents in the files that are named, in their order: diagnostics, and the
// operations that it has understood. Which diagnostics are tolerable, and which operations are right, the caller knows.
const fs = require("node:fs");
const { Parser } = require("@asyncapi/parser");

async function judge(file) {
  const { document, diagnostics } = await new Parser().parse(fs.readFileSync(file, "utf8"));
  const found = diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path: path.join("/") }));
  const operations = document ? document.operations().all().map((o) => ({ id: o.id(), reply: o.reply()?.channel()?.address() ?? "" })) : [];
  return { found, operations };
}

Promise.all(process.argv.slice(2).map(judge)).then((verdicts) => console.log(JSON.stringify(verdicts)));
