"""A local HTTP server that does what servers of the open web do, and counts what it was asked.

    with HostileServer() as server:
        server.on("/a.png", answer(png()), ...)
        server.url("/a.png")

A route is a function of the handler; several are given in turn, the last one again and again.
"""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image


@pytest.fixture
def server():
    """A server of the test's own. A test file takes it with `server = hostile_server.server`."""
    with HostileServer() as running:
        yield running


class HostileServer:
    """Serves on a free port of 127.0.0.1; the whole of 127.0.0.0/8 leads there."""

    def __init__(self):
        self.asked = Counter()  # by path
        self.times = []
        self.seen = []  # (path, headers, body)
        self.peak = 0  # most requests at a time
        self.peak_at = Counter()  # by the host asked for
        self.stopped = threading.Event()
        self._active = Counter()
        self._routes = {}
        self._turns = defaultdict(int)
        self._default = None
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                sent = self.rfile.read(length) if length else b""
                if len(sent) < length:  # a client that was killed amid a request has asked nothing
                    self.close_connection = True
                    return
                self.sent = sent.decode()
                server.serve(self)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # clients hang up on hostile answers

        self._http = Quiet(("0.0.0.0", 0), Handler)
        self.port = self._http.server_address[1]

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()

    def url(self, path="", host="127.0.0.1"):
        return f"http://{host}:{self.port}{path}"

    def on(self, path, *answers):
        """Answer a path, in turn; returns its URL."""
        self._routes[path] = answers
        return self.url(path)

    def otherwise(self, answer):
        """Answer every other path."""
        self._default = answer

    def serve(self, handler):
        path, host = handler.path, handler.headers.get("Host", "").split(":")[0]
        with self._lock:
            self.asked[path] += 1
            self.times.append(time.monotonic())
            self.seen.append((path, dict(handler.headers), handler.sent))
            self._active[host] += 1
            self.peak = max(self.peak, self._active.total())
            self.peak_at[host] = max(self.peak_at[host], self._active[host])
            answers = self._routes.get(path)
            turn = self._turns[path]
            self._turns[path] += 1
        try:
            route = answers[min(turn, len(answers) - 1)] if answers else self._default or answer(b"", status=404)
            route(handler)
        finally:
            with self._lock:
                self._active[host] -= 1


def answer(body=b"", *, status=200, type="image/png", length=None, after=0.0, **headers):
    """An answer as it should be, or with a length that is a lie; header names with _ for -."""

    def route(handler):
        time.sleep(after)
        handler.send_response(status)
        handler.send_header("Content-Type", type)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
        if length is not None:
            handler.close_connection = True

    return route


def redirect(to, status=302):
    return answer(b"", status=status, Location=to)


def stall(server, *, after_headers=False):
    """Says nothing more until the server stops, at most for ten seconds."""

    def route(handler):
        if after_headers:
            handler.send_response(200)
            handler.send_header("Content-Length", "100")
            handler.end_headers()
            handler.wfile.flush()
        server.stopped.wait(10)
        handler.close_connection = True

    return route


def trickle(server, body, pause):
    """A byte now and then: never silent for long, never at an end."""

    def route(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for place in range(len(body)):
            if server.stopped.wait(pause):
                break
            handler.wfile.write(body[place : place + 1])
            handler.wfile.flush()
        handler.close_connection = True

    return route


def endless(server, block=b"\xff" * 65536):
    """A body without a length and without an end."""

    def route(handler):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        while not server.stopped.is_set():
            handler.wfile.write(block)
        handler.close_connection = True

    return route


def raw(data):
    """Bytes as they are, in place of HTTP; then the connection is closed."""

    def route(handler):
        handler.wfile.write(data)
        handler.close_connection = True

    return route


def picture(number=0, *, size=(40, 30), kind="PNG", **options):
    """A small image, another for every number."""
    buffer = io.BytesIO()
    colour = (number * 37 % 256, number * 91 % 256, number * 151 % 256)
    Image.new("RGB", size, colour).save(buffer, kind, **options)
    return buffer.getvalue()


def png_bomb(width, height, *, rows=2000):
    """A PNG of one colour: few bytes, many pixels; of its rows the first ones are there."""
    row = b"\0" + b"\0" * ((width + 7) // 8)
    packer = zlib.compressobj(1)
    data = b"".join([*(packer.compress(row) for _ in range(min(rows, height))), packer.flush()])

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
