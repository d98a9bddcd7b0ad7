"""Services that are no Gateway: each mode is one way to disturb whoever certifies it."""

import base64
import hashlib
import json
import os
import random
import socketserver
import sys
import threading
import time

from confluent_kafka import Consumer, Producer

ESCAPES = "\x1b[31m\x1b]0;owned\x07<script>alert(1)</script>\u202e"
GARBAGE = (b"\xff\xfe\x00", b"[" * 5000, b'{"world_id": 7}', ESCAPES.encode(), b"", b'"' + b"a" * 4000 + b'"', b"NaN")


class Web(socketserver.StreamRequestHandler):
    """Says 200 to everything; a WebSocket gets frames of 10 MB without end in the mode `frames`."""

    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            more = self.request.recv(4096)
            if not more:
                return
            head += more
        if b"upgrade: websocket" in head.lower():
            self.websocket(head)
        else:
            page = f"<html>{ESCAPES}</html>".encode()
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(page), page)
            )

    def websocket(self, head):
        key = next(
            line.split(b":", 1)[1].strip()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.wfile.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept
        )
        size = 10 << 20
        frame = b"\x81\x7f" + size.to_bytes(8, "big") + b"x" * size
        while True:
            if sys.argv[1] == "frames":
                self.wfile.write(frame)
            else:
                time.sleep(1)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def handle_error(self, request, client_address):
        pass


def serve():
    server = Server(("127.0.0.1", int(os.environ["HTTP_PORT"])), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def follow(on_event):
    """Read the activation topic for good and hand over every body."""
    consumer = Consumer(
        {"bootstrap.servers": os.environ["KAFKA_BROKERS"], "group.id": os.environ["GROUP_ID"], "auto.offset.reset": "earliest",
         "enable.auto.commit": False, "fetch.wait.max.ms": 20}
    )  # fmt: skip
    consumer.subscribe([os.environ["ACTIVATION_TOPIC"]])
    while True:
        message = consumer.poll(0.2)
        if message is None or message.error():
            continue
        try:
            document = json.loads(message.value())
            on_event(document.get("data", document))
        except (ValueError, AttributeError, TypeError):
            continue


def ack(producer, body, **changed):
    answer = {
        "type": "ActivationAck",
        "version": 1,
        **{k: body.get(k) for k in ("world_id", "run_id", "sequence", "phase", "etag")},
    }
    answer.update(changed)
    producer.produce(os.environ["ACK_TOPIC"], json.dumps(answer).encode(), key=str(body.get("world_id")).encode())
    producer.poll(0)


def main():
    mode = sys.argv[1]
    if mode == "exits":
        print(f"cannot find my configuration {ESCAPES}", flush=True)
        raise SystemExit(7)
    if mode == "never-ready":
        print("still loading", flush=True)
        while True:
            time.sleep(1)
    serve()
    if mode == "web-server":
        while True:
            time.sleep(1)
    producer = Producer({"bootstrap.servers": os.environ["KAFKA_BROKERS"], "linger.ms": 0})
    chance = random.Random(7)

    def at_random(body):
        ack(producer, body)
        for _ in range(3):
            ack(
                producer,
                body,
                sequence=chance.randint(1, 9),
                run_id=chance.choice([body.get("run_id"), "no-such-run", ESCAPES]),
            )

    def flood():
        while True:
            try:
                for payload in GARBAGE * 20:
                    producer.produce(os.environ["ACK_TOPIC"], payload, key=ESCAPES.encode())
            except BufferError:
                pass
            producer.poll(0.01)

    if mode == "flood":
        flood()
    acked = []

    def then_flood(body):
        ack(producer, body)
        acked.append(body)
        if len(acked) == 150:
            threading.Thread(target=flood, daemon=True).start()

    follow({"random": at_random, "ack-then-flood": then_flood}.get(mode, lambda body: ack(producer, body)))


main()
