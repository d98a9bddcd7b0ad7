// The Gateway around the streams: Kafka, HTTP resync, relay. Its habits, all of them allowed: no order-gate endpoint, flat
// ACKs and flat relay frames, probes twice before a fetch, never ACKs a duplicate again, ACKs covered events, drops overrides
// that would open something, metrics under names of its own.
import http from "node:http";
import { Kafka, logLevel } from "kafkajs";
import { isInteger, parse, stringify } from "lossless-json";
import { WebSocketServer } from "ws";
import { eventIn, Stream } from "./stream.js";

const env = process.env;
const rules = { timeout: Number(env.GAP_TIMEOUT_MS ?? 3000), enforced: env.RESYNC_ENFORCED === "true" };
if (!(rules.timeout > 0)) {
  console.error(`GAP_TIMEOUT_MS is ${env.GAP_TIMEOUT_MS}; expected a number of milliseconds`);
  process.exit(2);
}
const streams = new Map();
const counts = { acks: 0, dropped: 0, gaps: 0, resyncs_ok: 0, resyncs_bad: 0 };
const numbers = (text) => (isInteger(text) ? BigInt(text) : Number(text));
const read = (text) => {
  try {
    return parse(text, undefined, numbers);
  } catch {
    return null;
  }
};

const kafka = new Kafka({ brokers: env.KAFKA_BROKERS.split(","), logLevel: logLevel.NOTHING, retry: { retries: 20 } });
const producer = kafka.producer({ allowAutoTopicCreation: false });
const consumer = kafka.consumer({ groupId: env.GROUP_ID, maxWaitTimeInMs: 20, sessionTimeout: 10000 });

function perform(stream, todo) {
  for (const [verb, what] of todo) {
    if (verb === "show") show(what);
    else if (verb === "ack") acknowledge(stream, what);
    else if (verb === "resync") {
      resync(stream.world).then((found) => {
        counts[found ? "resyncs_ok" : "resyncs_bad"] += 1;
        perform(stream, stream.resynced(what, found, Date.now()));
      });
    }
  }
}

async function acknowledge(stream, { body }) {
  const { world_id, run_id, sequence, phase, etag, ts } = body;
  const key = `activation_ack:${world_id}:${run_id}:${sequence}:${phase}:1`;
  const ack = { type: "ActivationAck", version: 1, world_id, run_id, sequence, phase, etag, ts, idempotency_key: key };
  for (;;) {
    try {
      await producer.send({ topic: env.ACK_TOPIC, acks: -1, messages: [{ key: world_id, value: stringify(ack) }] });
      break;
    } catch {
      await new Promise((go) => setTimeout(go, 200)); // tried again; the stream waits meanwhile
    }
  }
  counts.acks += 1;
  perform(stream, stream.acked(Date.now()));
}

async function resync(world) {
  const base = `${env.WORLDSERVICE_URL}/worlds/${encodeURIComponent(world)}/activation`;
  const get = async (url) => {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000), redirect: "error" });
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    const parts = [];
    let size = 0;
    for await (const part of response.body) {
      size += part.length;
      if (size > 1 << 20) throw new Error("too large");
      parts.push(part);
    }
    return read(Buffer.concat(parts).toString("utf8"));
  };
  try {
    await get(`${base}/state_hash`);
    const { state_hash: hash } = await get(`${base}/state_hash`);
    return { hash, snapshot: await get(base) };
  } catch {
    return null;
  }
}

const relay = new WebSocketServer({ noServer: true, maxPayload: 4096 });
function show({ body }) {
  const frame = stringify({ type: "ActivationUpdated", ...body });
  for (const client of relay.clients) {
    if (client.bufferedAmount > 8 << 20) client.terminate(); // a slow client loses its connection, nobody else's time
    else client.send(frame);
  }
}

const server = http.createServer((request, response) => {
  if (request.url === "/health") response.writeHead(ready ? 200 : 503).end();
  else if (request.url === "/metrics") response.end(Object.entries(counts).map(([k, v]) => `strange_${k} ${v}\n`).join(""));
  else response.writeHead(404).end();
});
server.on("upgrade", (request, socket, head) => relay.handleUpgrade(request, socket, head, () => {}));
let ready = false;
server.listen(Number(env.HTTP_PORT ?? 8080), env.HTTP_HOST ?? "127.0.0.1");

setInterval(() => {
  const now = Date.now();
  for (const stream of streams.values()) perform(stream, stream.tick(now));
}, 10);

function take(value) {
  const event = value === null ? null : eventIn(read(value.toString("utf8")));
  if (event === null) counts.dropped += 1;
  if (event === null || event.override) return;
  const { world_id: world, run_id: run } = event.body;
  const key = JSON.stringify([world, run]);
  let stream = streams.get(key);
  if (stream === undefined) streams.set(key, (stream = new Stream(world, run, rules)));
  const gapped = stream.gapped;
  perform(stream, stream.arrived(event, Date.now()));
  if (!gapped && stream.gapped) counts.gaps += 1;
}

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, async () => {
    await Promise.allSettled([consumer.disconnect(), producer.disconnect()]);
    process.exit(0);
  });
}

await producer.connect();
await consumer.connect();
consumer.on(consumer.events.GROUP_JOIN, () => { ready = true; });
await consumer.subscribe({ topics: [env.ACTIVATION_TOPIC], fromBeginning: true });
// Offsets are committed only while nothing is open: whatever was not applied is read again after a restart.
await consumer.run({
  autoCommit: false,
  eachBatchAutoResolve: false,
  eachBatch: async ({ batch, heartbeat }) => {
    for (const message of batch.messages) take(message.value);
    await heartbeat();
    const open = [...streams.values()].some((s) => s.buffer.size > 0 || s.acking !== null || s.owed.length > 0);
    if (!open) {
      const offset = (BigInt(batch.lastOffset()) + 1n).toString();
      await consumer.commitOffsets([{ topic: batch.topic, partition: batch.partition, offset }]);
    }
  },
});
