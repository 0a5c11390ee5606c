"""A destination for the http sink: it refuses each delivery once, then takes it, and counts what it took."""
import collections, http.server, threading


class Hook(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.seen, self.taken = threading.Lock(), set(), collections.Counter()
        # What every delivery is answered while this is set: 410 is a refusal for good.
        self.always = None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A server that is killed resets its connections."""

    @property
    def port(self):
        return self.server_address[1]

    def answer(self, delivery):
        with self.lock:
            if self.always:
                return self.always
            if delivery not in self.seen:
                self.seen.add(delivery)
                return 500
            self.taken[delivery] += 1
            return 204

    def doubled(self):
        return sum(n - 1 for n in self.taken.values())

    def sink(self, more=""):
        return "hook", f'kind = "http"\nurl = "http://127.0.0.1:{self.port}/"\nallow_private = ["127.0.0.0/8"]\n{more}'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.answer(self.headers.get("webhook-id")))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass
