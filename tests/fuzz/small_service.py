"""A WorldService of a few lines in threads, right or wrong in one way; knows the world `w 1` with one entry."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from urllib.parse import parse_qs, unquote, urlsplit

WORLD = "w 1"
ENTRY = {"strategy_id": "alpha", "side": "long", "active": True, "weight": 0.5, "freeze": False, "drain": False}
SNAPSHOT = {
    "world_id": WORLD, "run_id": "r1", "sequence": 2, "version": 1, "state_hash": "h-1", "etag": "e1",
    "ts": "2026-01-01T00:00:00Z", "state": {"alpha": {"long": ENTRY}},
}  # fmt: skip
ENVELOPE = {
    "specversion": "1.0", "id": "1", "source": "small", "type": "activation_updated", "time": "2026-01-01T00:00:00Z",
    "data": {**ENTRY, "world_id": WORLD, "run_id": "r1", "sequence": 2, "phase": "unfreeze", "requires_ack": True},
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fault = ""
    changes = MappingProxyType({})  # by endpoint: fields that are set; None takes one out

    def do_GET(self):
        parts = urlsplit(self.path)
        steps = parts.path.split("/")
        query = parse_qs(parts.query)
        world = unquote(steps[2]) if len(steps) > 2 else ""
        self.server.authorizations.add(self.headers.get("Authorization"))
        if self.fault == "silence":
            self.server.released.wait(1.0)
        if self.fault == "redirects":
            return self.answer(302, b"", "text/html", Location="http://192.0.2.1/elsewhere")
        if self.fault == "breaks at odd ids" and not world.isascii():
            return self.problem(500)
        if self.fault == "endless body":
            return self.endless()
        if world != WORLD and self.fault != "200 for unknown worlds":
            return self.problem(404)
        entry = query.get("strategy_id") == ["alpha"] and query.get("side") == ["long"]
        if query and not entry:
            return self.problem(404)
        if steps[-1] == "state_hash":
            other = "h-2" if self.fault == "hash differs" else "h-1"
            return self.document(self.changed("state_hash", {"state_hash": other, "world_id": world}))
        if entry:
            return self.document(
                self.changed("entry", ENVELOPE if world == WORLD else {**ENVELOPE, "data": {"world_id": world}})
            )
        lacking = {"run_id"} if self.fault == "no run" else set()
        snapshot = {k: v for k, v in SNAPSHOT.items() if k not in lacking} | {"world_id": world}
        return self.document(self.changed("snapshot", snapshot))

    def changed(self, endpoint, document):
        changed = {**document, **self.changes.get(endpoint, {})}
        return {k: v for k, v in changed.items() if v is not None}

    def document(self, document):
        tag = "e1" if self.fault == "unquoted etag" else '"e1"'
        known = self.headers.get("If-None-Match", "")
        if (known and self.fault == "always 304") or (tag in known):
            return self.answer(304, b"", "application/json", ETag=tag)
        return self.answer(200, json.dumps(document).encode(), "application/json", ETag=tag)

    def problem(self, status):
        if self.fault == "html errors":
            return self.answer(status, b"<h1>Not \x1b[31mfound</h1>", "text/html")
        body = json.dumps({"title": "Not found", "status": status}).encode()
        return self.answer(status, body, "application/problem+json")

    def answer(self, status, body, kind, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def endless(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(1 << 30))
        self.end_headers()
        try:
            for _ in range(1 << 14):
                self.wfile.write(b" " * (1 << 16))
                self.server.written += 1 << 16
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


@contextmanager
def small_service(fault="", changes=None):
    server = Server(("127.0.0.1", 0), type("Faulty", (Handler,), {"fault": fault, "changes": changes or {}}))
    server.written, server.authorizations, server.released = 0, set(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
