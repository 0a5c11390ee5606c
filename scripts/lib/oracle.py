"""An oracle outside the server: what it acknowledged is written down here, and held against what its file sink has."""
import collections, http.client, json, random, threading, time

from site_of import body


class Client(threading.Thread):
    """Posts until told to stop; each POST has notifications with client contexts of their own. What was answered 202 is in
    `acked`."""

    def __init__(self, name, port, token, pause=0.0):
        super().__init__(daemon=True)
        self.label, self.port, self.token, self.pause = name, port, token, pause
        self.acked, self.other, self.slowest, self.n, self.stop = set(), collections.Counter(), 0.0, 0, False

    def run(self):
        connection = None
        while not self.stop:
            contexts = [f"{self.label}-{self.n}-{i}" for i in range(random.choice([1, 1, 1, 5]))]
            self.n += 1
            began = time.monotonic()
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("POST", "/graph/calls", body(contexts), {
                    "Content-Type": "application/json", "Authorization": "Bearer " + self.token})
                answer = connection.getresponse()
                answer.read()
                self.slowest = max(self.slowest, time.monotonic() - began)
                if answer.status == 202:
                    self.acked.update(contexts)
                else:
                    self.other[answer.status] += 1
            except (OSError, http.client.HTTPException):
                connection = None
                self.other["cut off"] += 1
                time.sleep(0.01)
            time.sleep(self.pause)


class Clients:
    """Several clients at a time. A fault may be survived by one load and not by the next: give each a name of its own."""

    def __init__(self, n, port, token, name="c", pause=0.0):
        self.members = [Client(f"{name}{number}", port, token, pause) for number in range(n)]

    def __enter__(self):
        for member in self.members:
            member.start()
        return self

    def __exit__(self, *_):
        for member in self.members:
            member.stop = True
        for member in self.members:
            member.join(15)

    def acked(self):
        return set().union(*(set(member.acked) for member in self.members))

    def others(self):
        return sum((member.other for member in self.members), collections.Counter())

    def slowest(self):
        return max(member.slowest for member in self.members)


def delivered(folder):
    """Event ids by client context, from every file of the sink, and how many lines are torn: those are counted, not read."""
    ids, torn = collections.defaultdict(list), 0
    for path in sorted(folder.glob("events*.jsonl")):
        for line in path.read_bytes().split(b"\n"):
            if not line:
                continue
            try:
                event = json.loads(line)
                ids[event["data"]["clientContext"]].append(event["id"])
            except (ValueError, KeyError, TypeError):
                torn += 1
    return ids, torn


def drained(folder, acked, seconds=180):
    """Waits until everything acknowledged was delivered, or the time is over; then as `delivered`."""
    deadline = time.monotonic() + seconds
    while True:
        ids, torn = delivered(folder)
        if acked <= ids.keys() or time.monotonic() > deadline:
            return ids, torn
        time.sleep(0.3)
