"""What strangers may do to a receiver, one kind at a time, while an honest sender posts 50 verified POSTs a second."""
import contextlib, dataclasses, http.client, select, socket, threading, time

from site_of import Site, body, memory

HONEST_PER_SECOND = 50
MIB = 1024 * 1024


@dataclasses.dataclass
class Figures:
    answered: int
    others: int
    p99_ms: float
    peak: float


class Crowd:
    """Connections of strangers to one port. Each is opened, says its piece as far as the server takes it, and stays; one that the
    server closed is opened again, as a stranger would, until the crowd goes home."""

    def __init__(self, port, n, piece):
        self.port, self.n, self.piece = port, n, memoryview(piece)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def connect(self):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", self.port))
        return [s, self.piece]

    def run(self):
        members = [self.connect() for _ in range(self.n)]
        while not self.stop.is_set():
            for member in members:
                try:
                    if member[1]:
                        member[1] = member[1][member[0].send(member[1][:65536]):]
                    elif member[0].recv(65536) == b"":
                        raise ConnectionError
                except BlockingIOError:
                    pass
                except OSError:
                    member[0].close()
                    member[:] = self.connect()
            # A look at all of them takes a while by itself; this leaves the cores to the server.
            self.stop.wait(0.05)
        for s, _ in members:
            s.close()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Honest:
    """Verified POSTs at a fixed rate, each on the connection that is free; how each was answered, and how long it took since it was
    due."""

    def __init__(self, port, token, seconds):
        self.port, self.token, self.seconds = port, token, seconds
        self.took, self.others, self.lock = [], 0, threading.Lock()

    def post(self, connection, number, due):
        connection.request("POST", "/graph/calls", body([f"honest-{number}"]), {
            "Content-Type": "application/json", "Authorization": "Bearer " + self.token})
        answer = connection.getresponse()
        answer.read()
        with self.lock:
            if answer.status == 202:
                self.took.append((time.monotonic() - due) * 1000)
            else:
                self.others += 1

    def sender(self, first, step, began):
        connection = None
        for number in range(first, self.seconds * HONEST_PER_SECOND, step):
            due = began + number / HONEST_PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            for last_try in (False, True):
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                is_kept = connection.sock is not None
                try:
                    self.post(connection, number, due)
                    break
                except (OSError, http.client.HTTPException):
                    connection.close()
                    connection = None
                    # A connection that rested may have been closed: any client tries once more on another.
                    if last_try or not is_kept:
                        with self.lock:
                            self.others += 1
                        break

    def run(self):
        began = time.monotonic()
        senders = [threading.Thread(target=self.sender, args=(first, 16, began)) for first in range(16)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()


def head(path, length, more=""):
    return (f"POST {path} HTTP/1.1\r\nHost: hook.example\r\nContent-Type: application/json\r\n{more}"
            f"Content-Length: {length}\r\n\r\n").encode()


def kinds(site, token):
    """Each kind of stranger: its name, the port it goes to, how many, and what each says."""
    proven = f"Authorization: Bearer {token}\r\n"
    empty_keys = b'{"value":[{"resourceData":{' + b",".join([b'"":0'] * ((MIB - 100) // 5)) + b"}}]}"
    form = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 16001\r\n\r\n"
    return [
        ("nobody", site.port, 0, b""),
        ("2,048 resting connections", site.port, 2048, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("2,048 resting connections, admin listener", site.admin, 2048, b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
        ("600 unfinished forms, admin listener", site.admin, 600, form + b"t" * 16000),
        ("60 anonymous bodies of 1 MiB, calls", site.port, 60, head("/graph/calls", MIB) + b" " * (MIB - 1)),
        ("60 anonymous bodies of 1 MiB, subscriptions", site.port, 60, head("/graph/notifications", MIB) + b" " * (MIB - 1)),
        ("2,048 unfinished heads of 124 KB", site.port, 2048, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"h" * 124_000),
        ("30 bodies of empty keys, subscriptions", site.port, 30, head("/graph/notifications", len(empty_keys)) + empty_keys),
        ("30 verified bodies of empty keys, calls", site.port, 30, head("/graph/calls", len(empty_keys), proven) + empty_keys),
    ]


def measure(exe, folder, provider, seconds):
    """Yields each kind of stranger with what the honest sender saw beside it."""
    identity, token = provider
    for number in range(len(kinds(Site(exe, folder, identity), token))):
        site = Site(exe, folder, identity)
        kind, port, n, piece = kinds(site, token)[number]
        with site.serve() as server, Crowd(port, n, piece):
            # The crowd settles first.
            time.sleep(1)
            honest = Honest(site.port, token, seconds)
            honest.run()
            peak = memory(server.pid, "VmHWM")
        took = sorted(honest.took)
        yield kind, Figures(len(took), honest.others, took[int(len(took) * 0.99)] if took else float("inf"), peak)
