// The Node counterpart of recording_server.py: runs whatever it can read and writes down what it ran.
//
//     node recording_server.mjs (readline|buffer) LOG [TOOL ...]
//
// `readline` cuts its input as node:readline does: also at a lone CR (and in some versions of Node at U+2028 and
// U+2029). `buffer` cuts at LF alone and strips a CR before it, as the official TypeScript SDK does. Neither looks
// at ids or versions.

import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [mode, log, ...named] = process.argv.slice(2);
const tools = named.length ? named : ["echo", "rm"];
const inputSchema = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };

function result(message) {
  const params = message.params ?? {};
  if (message.method === "initialize") {
    const capabilities = { tools: { listChanged: true } };
    const serverInfo = { name: "recording", version: "1" };
    return { protocolVersion: params.protocolVersion ?? "2025-11-25", capabilities, serverInfo };
  }
  if (message.method === "tools/list") {
    return { tools: tools.map((name) => ({ name, inputSchema })) };
  }
  if (message.method === "tools/call") {
    appendFileSync(log, JSON.stringify(params) + "\n");
    return { content: [{ type: "text", text: JSON.stringify(params.arguments ?? null) }] };
  }
  return {};
}

function take(line) {
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    return;
  }
  for (const one of Array.isArray(message) ? message.flat(Infinity) : [message]) {
    if (one === null || typeof one !== "object" || typeof one.method !== "string") continue;
    const answer = result(one);
    if (one.id !== undefined) {
      process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id: one.id, result: answer }) + "\n");
    }
  }
}

if (mode === "readline") {
  createInterface({ input: process.stdin, crlfDelay: Infinity }).on("line", take);
} else {
  let waiting = Buffer.alloc(0);
  process.stdin.on("data", (data) => {
    waiting = Buffer.concat([waiting, data]);
    for (let end = waiting.indexOf("\n"); end !== -1; end = waiting.indexOf("\n")) {
      take(waiting.toString("utf8", 0, end).replace(/\r$/, ""));
      waiting = waiting.subarray(end + 1);
    }
  });
}
