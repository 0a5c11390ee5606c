"""What sinks reach at real servers: how fast they deliver, how soon, and what a server that is dead costs the others."""
import collections, contextlib, json, sqlite3, statistics, subprocess, time

from brokers import KINDS
from site_of import FILE, ROOT, memory, metric

Speed = collections.namedtuple("Speed", "per_second plain p99_ms rate idle")
# The most events a second at which the delay is measured.
RATE = 1000
NAMES = [kind.KIND for kind in KINDS]


def waiting(bench, kind):
    """How many events a sink finds when it begins."""
    n = 20_000 if bench.quick else 100_000
    return n // 10 if kind.IS_SLOW else n


def kinds(bench):
    """The kinds that the binary has, of those that are wanted."""
    has = [kind for kind in KINDS if bench.features or not kind.IS_EXTRA]
    return [kind for kind in has if bench.kinds is None or kind.KIND in bench.kinds]


def installed(bench, say):
    """Those whose server is on this machine."""
    for kind in kinds(bench):
        if kind.program():
            yield kind
        else:
            say(f"  {kind.KIND}: {kind.PROGRAM} is not installed, not measured")


def plain_loop(features):
    """Builds the loop that sinks are compared with, and names it."""
    command = ["cargo", "build", "--release", "--locked", "--bench", "plain_loop", "--message-format", "json", *features]
    built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    names = [json.loads(line).get("executable") for line in built.stdout.splitlines() if '"plain_loop"' in line]
    return next(name for name in reversed(names) if name)


def delivered(site, sink):
    return metric(site.admin, f'reelhook_delivery_attempts_total{{sink="{sink}",result="delivered"}}')


def event(bench):
    """An event as sinks send it."""
    site = bench.site([FILE])
    with site.serve():
        bench.simulate(site.port, "--channel", "calls", "--connections", 1, "--count", 1)
    return (site.folder / "events.jsonl").read_text().splitlines()[0]


def speed(bench, kind, plain, body):
    """A sink of a kind at a server of its own, and a plain loop at the same server."""
    with kind() as broker:
        site = bench.site([broker.its_sink()], server=kind.SERVER)
        with site.serve() as server:
            idle, per_second = memory(server.pid), drain(bench, site, kind)
            # A rate that the kind can carry.
            rate = min(RATE, max(1, int(per_second / 2)))
            p99_ms = delay(bench, site, kind.KIND, rate)
        return Speed(per_second, plain_speed(bench, broker, plain, body), p99_ms, rate, idle)


def plain_speed(bench, broker, plain, body):
    """Events a second of a plain loop at the same server; none where there is no such loop."""
    if not broker.HAS_LOOP:
        return None
    loop = subprocess.run([plain, broker.KIND, broker.address, broker.PLACE, str(bench.seconds // 2)], input=body,
                          check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(loop.stdout)["per_second"]


def drain(bench, site, kind):
    """Confirmed events a second, of those that a paused sink left in the store."""
    n, sink = waiting(bench, kind), kind.KIND
    site.run("sinks", "pause", sink, stdout=subprocess.DEVNULL).wait()
    taken = bench.simulate(site.port, "--channel", "calls", "--connections", 64, "--count", n)["n_2xx"]
    site.run("sinks", "resume", sink, stdout=subprocess.DEVNULL).wait()
    began, before = time.monotonic(), delivered(site, sink)
    while (now := delivered(site, sink)) < taken:
        if time.monotonic() - began > 120:
            raise RuntimeError(f"{sink}: {taken - now:,.0f} of {taken:,} are not delivered after 2 min")
        time.sleep(0.05)
    return (taken - before) / (time.monotonic() - began)


def delay(bench, site, sink, rate):
    """From the acceptance of a notification until its delivery is confirmed, at so many a second: p99 in ms."""
    since = int(time.time() * 1e6) + 1_000_000
    report = bench.simulate(site.port, "--channel", "calls", "--connections", 64, "--rate", rate,
                            "--duration", f"{bench.seconds}s")
    until = time.monotonic() + 30
    while metric(site.admin, f'reelhook_sink_open_deliveries{{sink="{sink}"}}') and time.monotonic() < until:
        time.sleep(0.2)
    with contextlib.closing(sqlite3.connect(f"file:{site.data}/reelhook.db?mode=ro", uri=True)) as store:
        sql = "SELECT started_at + took - created_at FROM deliveries WHERE sink = ? AND state = 2 AND created_at > ?"
        waited = [micros for micros, in store.execute(sql, (sink, since))]
    # The first second is left out: connections are made in it.
    if len(waited) < report["n_2xx"] * 0.6:
        raise RuntimeError(f"{sink}: {len(waited)} of {report['n_2xx']} deliveries are stored as delivered")
    return statistics.quantiles(waited, n=100)[98] / 1000


def beside_dead(bench, sink, capacity):
    """The intake's p99 in milliseconds and the deliveries a second of a healthy sink, alone and beside a dead one, at a
    quarter of the capacity, in turns."""
    load = ("--channel", "calls", "--connections", 64, "--rate", int(capacity / 4))
    turns = {"alone": [], "beside": []}
    sites = {"alone": bench.site([FILE]), "beside": bench.site([FILE, sink])}
    with contextlib.ExitStack() as stack:
        for site in sites.values():
            stack.enter_context(site.serve())
            bench.simulate(site.port, *load, "--duration", "2s")
        for name in ("alone", "beside", "beside", "alone"):
            site = sites[name]
            before, began = delivered(site, "archive"), time.monotonic()
            report = bench.simulate(site.port, *load, "--duration", f"{bench.seconds // 2}s")
            rate = (delivered(site, "archive") - before) / (time.monotonic() - began)
            turns[name].append((report["p99_ms"], rate))
    return {name: tuple(map(statistics.mean, zip(*figures))) for name, figures in turns.items()}
