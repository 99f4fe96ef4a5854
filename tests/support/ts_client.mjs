// The official TypeScript client, driven from a test: list the tools, make calls, print what came of each.
//
//     ts_client.mjs CALLS COMMAND [ARGUMENT ...]
//
// CALLS is JSON: [{"name": …, "arguments": …}, …]. Prints {"tools": […], "calls": [{"result": …} or {"thrown": …}]}.
import { Client } from "../servers/node_modules/@modelcontextprotocol/sdk/dist/esm/client/index.js";
import { StdioClientTransport } from "../servers/node_modules/@modelcontextprotocol/sdk/dist/esm/client/stdio.js";

const [calls, command, ...args] = process.argv.slice(2);
const client = new Client({ name: "test", version: "0" });
await client.connect(new StdioClientTransport({ command, args, stderr: "ignore" }));
// Listing is what makes the client hold later answers against the tools' outputSchemas.
const { tools } = await client.listTools();
const outcomes = [];
for (const call of JSON.parse(calls)) {
  try {
    outcomes.push({ result: await client.callTool(call) });
  } catch (error) {
    outcomes.push({ thrown: String(error) });
  }
}
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), calls: outcomes }));
await client.close();
