// Drives an unmodified @directus/sdk as told on stdin: one command a line, as [name, ...arguments].
// Prints one JSON line for each answer, event, message and change of the connection; usage: node sdk.mjs sdk26 URL
import { createInterface } from "node:readline";

const [sdk, url] = process.argv.slice(2);
const { authentication, createDirectus, readItems, realtime, rest } = await import(sdk);
const { version } = (await import(`${sdk}/package.json`, { with: { type: "json" } })).default;

// The SDK gives up when the first attempt to reconnect fails, so the delay must cover the restart of the server.
const client = createDirectus(url)
  .with(authentication("json"))
  .with(rest())
  .with(realtime({ authMode: "handshake", reconnect: { delay: 5000, retries: 10 } }));
const subscriptions = new Map();

const say = (what, value = null) => console.log(JSON.stringify({ what, value }));

async function follow(uid, subscription) {
  for await (const event of subscription) say("event", event);
  say("ended", uid);
}

const commands = {
  version: () => version,
  // The signature changed in SDK 20.
  login: (email, password) =>
    (sdk === "sdk18" ? client.login(email, password) : client.login({ email, password })).then((data) => data.expires),
  connect: () => client.connect().then(() => null),
  disconnect: () => client.disconnect(),
  readItems: (collection, query) => client.request(readItems(collection, query)),
  sendMessage: (message) => client.sendMessage(message),
  subscribe: async (collection, options) => {
    const { subscription, unsubscribe } = await client.subscribe(collection, options);
    subscriptions.set(options.uid, unsubscribe);
    follow(options.uid, subscription);
  },
  unsubscribe: (uid) => subscriptions.get(uid)(),
};

client.onWebSocket("open", () => say("open"));
client.onWebSocket("close", () => say("close"));
client.onWebSocket("message", (message) => say("message", message));

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...args] = JSON.parse(line);
  try {
    say("done", await commands[command](...args));
  } catch (error) {
    say("failed", { command, reason: error.message ?? error });
  }
}
process.exit();
