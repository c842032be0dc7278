// Drives an unmodified graphql-ws client as told on stdin: one command a line, as [name, ...arguments].
// Prints one JSON line for each answer, result and change of the connection; usage: node graphql_ws.mjs URL OPTIONS
// OPTIONS: JSON of the client's options; `token` and `tokens` become `connectionParams`, the latter one a connection.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, json] = process.argv.slice(2);
const { token, tokens, ...options } = JSON.parse(json);
const { version } = createRequire(import.meta.url)("graphql-ws/package.json");
const say = (what, value = null) => console.log(JSON.stringify({ what, value }));

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  retryAttempts: 200,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
  shouldRetry: () => true,
  connectionParams: () => {
    const given = tokens ? tokens.shift() : token;
    return given === undefined ? {} : { access_token: given };
  },
  on: {
    connected: () => say("connected"),
    closed: ({ code, reason }) => say("closed", { code, reason }),
    ping: (received, payload) => say("ping", { received, payload }),
    pong: (received, payload) => say("pong", { received, payload }),
  },
  ...options,
});
const running = new Map();

const commands = {
  version: () => version,
  subscribe: (name, payload) => {
    const stop = client.subscribe(payload, {
      next: (result) => say("next", { name, ...result }),
      error: (error) => say("error", { name, errors: Array.isArray(error) ? error : [String(error.reason ?? error)] }),
      complete: () => say("complete", { name }),
    });
    running.set(name, stop);
  },
  stop: (name) => running.get(name)(),
  terminate: () => client.terminate(),
  dispose: () => client.dispose(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...args] = JSON.parse(line);
  try {
    say("done", (await commands[command](...args)) ?? null);
  } catch (error) {
    say("failed", { command, reason: error.message ?? error });
  }
}
process.exit();
