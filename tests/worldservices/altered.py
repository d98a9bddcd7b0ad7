"""Stands before the reference WorldService and alters its answers to reads; run as `altered.py MODE`, set up by environment.

A target of tests. Applies pass through; what is done to reads is said by the mode.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = sys.argv[1]
GIGABYTE = 1 << 30


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


BEHIND = free_port()


class Altered(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/health":
            self.passed_on()
        elif MODE == "no-probe" and self.path.endswith("/state_hash"):
            self.answer(404, b"<h1>Not Found</h1>", {"Content-Type": "text/html"})
        elif MODE == "token":
            self.answer(401, b"who are you?", {"WWW-Authenticate": "Bearer"})
        elif MODE == "redirect":
            self.answer(302, b"", {"Location": "http://127.0.0.1:9/elsewhere"})
        elif MODE == "html":
            self.answer(200, b"<script>alert(1)</script>\x1b]0;owned\x07", {"Content-Type": "text/html"})
        elif MODE == "hang":
            time.sleep(600)
        elif MODE == "gigabyte":
            self.gigabyte()
        else:
            self.passed_on()

    def do_POST(self) -> None:
        if MODE == "token-for-all":
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.answer(401, b"who are you?", {"WWW-Authenticate": "Bearer"})
        else:
            self.passed_on()

    do_DELETE = do_POST  # noqa: N815

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def gigabyte(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(GIGABYTE))
        self.end_headers()
        try:
            for _ in range(GIGABYTE >> 16):
                self.wfile.write(b" " * (1 << 16))
        except OSError:
            self.close_connection = True

    def passed_on(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", BEHIND, timeout=20)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        wanted = {n: v for n, v in self.headers.items() if n.lower() not in {"host", "connection", "content-length"}}
        try:
            connection.request(self.command, self.path, body=body or None, headers=wanted)
            reply = connection.getresponse()
            content = reply.read()
        except OSError:
            self.answer(503, b"", {})
            return
        finally:
            connection.close()
        kept = {n: v for n, v in reply.getheaders() if n.lower() in {"content-type", "etag", "location", "retry-after"}}
        self.send_response(reply.status)
        for name, value in kept.items():
            self.send_header(name, value)
        if reply.status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if reply.status != 304:
            self.wfile.write(content)


def main() -> None:
    behind = subprocess.Popen(
        [sys.executable, "-m", "ackgap_reference.service.main", "worldservice"],
        env={**os.environ, "HTTP_PORT": str(BEHIND)},
    )
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["HTTP_PORT"])), Altered)
    server.daemon_threads = True

    def leave(*_: object) -> None:
        behind.terminate()
        behind.wait(10)
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    server.serve_forever()


if __name__ == "__main__":
    main()
