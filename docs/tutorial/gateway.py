"""A whole Gateway in one file: what the RFC asks for, and as little else as possible. Started by `gateway.yaml`."""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from urllib.parse import parse_qs, quote, unquote, urlsplit
from urllib.request import urlopen

from confluent_kafka import Consumer, Producer, TopicPartition

TIMEOUT = int(os.environ.get("GAP_TIMEOUT_MS", "3000")) / 1000
ENFORCED = os.environ.get("RESYNC_ENFORCED", "false") == "true"
BROKERS, ACTIVATION, ACKS = os.environ["KAFKA_BROKERS"], os.environ["ACTIVATION_TOPIC"], os.environ["ACK_TOPIC"]
streams, answers, pool = {}, SimpleQueue(), ThreadPoolExecutor(32)
producer = Producer({"bootstrap.servers": BROKERS, "linger.ms": 0})


class Stream:
    def __init__(self, world, run):
        self.world, self.run = world, run
        self.applied, self.hash, self.entries, self.buffer = 0, None, {}, {}
        self.due, self.asking, self.pause = None, False, 0.2

    def open(self):
        held = any(e.get("freeze") or e.get("drain") or not e.get("active") for e in self.entries.values())
        return bool(self.entries) and not held and not self.buffer

    def arrived(self, event):
        if event["sequence"] > self.applied:
            self.buffer.setdefault(event["sequence"], event)  # the content that came first counts
        self.advance()

    def advance(self):
        while event := self.buffer.pop(self.applied + 1, None):
            self.entries[event.get("strategy_id"), event.get("side")] = event
            self.hash, self.applied = event.get("state_hash") or self.hash, event["sequence"]
            acknowledge(event)  # nothing else of the stream is applied before the broker has it
        if not self.buffer:
            self.due, self.pause = None, 0.2
        elif self.due is None:
            self.due = time.monotonic() + TIMEOUT  # later events do not restart it

    def tick(self, now):
        if ENFORCED and self.due is not None and now >= self.due and not self.asking:
            self.asking = True
            pool.submit(lambda: answers.put((self, fetch(self.world))))

    def answered(self, probed, snapshot):
        self.asking = False
        if self.due is None:
            return  # the missing event came meanwhile
        if acceptable(self, probed, snapshot):
            covered = [self.buffer.pop(s) for s in sorted(self.buffer) if s <= snapshot["sequence"]]
            self.applied, self.hash, self.due = snapshot["sequence"], snapshot["state_hash"], None
            self.entries = {(st, si): e for st, sides in snapshot["state"].items() for si, e in sides.items()}
            for event in covered:
                acknowledge(event)
            self.advance()
        else:
            self.due, self.pause = time.monotonic() + self.pause, min(self.pause * 2, 5)


def acceptable(stream, probed, snapshot):
    try:
        return (
            (snapshot["world_id"], snapshot["run_id"]) == (stream.world, stream.run)
            and isinstance(snapshot["state_hash"], str) and snapshot["state_hash"] == probed
            and type(snapshot["sequence"]) is int and snapshot["sequence"] >= stream.applied
            and all(isinstance(e, dict) for sides in snapshot["state"].values() for e in sides.values())
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError):
        return False


def fetch(world):
    def get(path):
        url = f"{os.environ['WORLDSERVICE_URL']}/worlds/{quote(world, safe='')}/activation{path}"
        with urlopen(url, timeout=2) as response:
            return json.loads(response.read(1 << 20))

    try:
        return get("/state_hash")["state_hash"], get("")
    except Exception:  # whatever goes wrong here is a failed resync, and nothing else
        return None, None


def acknowledge(event):
    body = {name: event.get(name) for name in ("world_id", "run_id", "sequence", "phase", "etag", "ts")}
    key = "activation_ack:{world_id}:{run_id}:{sequence}:{phase}:1".format(**body)
    value = json.dumps({"type": "ActivationAck", "version": 1, "idempotency_key": key, **body})
    while True:
        failed = []
        producer.produce(ACKS, value, key=event["world_id"], on_delivery=lambda error, _, f=failed: f.append(error))
        if producer.flush(10) == 0 and failed == [None]:
            return


def valid(raw):
    """The event in a payload, or None: invalid input is dropped, and so is everything that needs no ACK."""
    try:
        body = json.loads(raw, parse_constant={}.__getitem__)  # NaN and Infinity are no JSON: KeyError
        body = body["data"] if "specversion" in body else body
        texts = all(isinstance(body[name], str) and body[name] for name in ("world_id", "run_id"))
        good = texts and body["requires_ack"] is True and body["phase"] in ("freeze", "unfreeze")
        return body if good and type(body["sequence"]) is int and body["sequence"] >= 1 else None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


class Probe(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        run = parse_qs(url.query).get("run_id", [""])[0]
        stream = streams.get((unquote(url.path.removeprefix("/worlds/").removesuffix("/order-gate")), run))
        body = json.dumps({"orders": "pass" if stream and stream.open() else "stop"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Probe)
threading.Thread(target=server.serve_forever, daemon=True).start()
consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": os.environ["GROUP"], "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "fetch.wait.max.ms": 20})  # fmt: skip
consumer.subscribe([ACTIVATION])
while True:
    message = consumer.poll(0.02)
    event = valid(message.value()) if message is not None and message.error() is None else None
    if event is not None:
        key = (event["world_id"], event["run_id"])
        streams.setdefault(key, Stream(*key)).arrived(event)
    if message is not None and message.error() is None and not any(s.buffer for s in list(streams.values())):
        consumer.commit(offsets=[TopicPartition(ACTIVATION, message.partition(), message.offset() + 1)])
    while True:
        try:
            stream, (probed, snapshot) = answers.get_nowait()
        except Empty:
            break
        stream.answered(probed, snapshot)
    now = time.monotonic()
    for stream in list(streams.values()):
        stream.tick(now)
