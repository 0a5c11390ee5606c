"""What the scripts beside this folder share: a reelhook binary, a server of it with a config of its own, a simulated
Microsoft Graph that signs tokens, and the figures of a process."""
import contextlib, http.client, json, os, pathlib, random, signal, socket, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
APP, TENANT = "0efc74f7-41c3-47a4-8775-7259bfef4241", "1fdd12d0-4620-44ed-baec-459b611f84b2"
CLIENT_STATE = "bench-client-state"
TICKS = os.sysconf("SC_CLK_TCK")
FILE = ("archive", 'kind = "file"\npath = "FOLDER/events.jsonl"\nmax_bytes = "10GiB"\n')


def binary(profile, features=()):
    """Builds and names the binary: "release" or "debug"; `features`: more arguments for cargo."""
    subprocess.run(["cargo", "build", "--locked", "--quiet", *(["--release"] if profile == "release" else []), *features],
                   cwd=ROOT, check=True)
    return str(pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / profile / "reelhook")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path, timeout=5):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def metric(port, name):
    """The value of a metric, with its labels as they are written; 0 where it is not there."""
    for line in get(port, "/metrics")[1].splitlines():
        if line.startswith(name + " "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def memory(pid, which="VmRSS"):
    """MiB of resident memory: VmRSS now, VmHWM at its highest."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(which + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu(pid):
    """Seconds of CPU that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def body(contexts):
    """A POST of the calling channel: one completed record operation for each client context."""
    items = []
    for context in contexts:
        call, operation = "%032x" % random.getrandbits(128), "%032x" % random.getrandbits(128)
        items.append({
            "@odata.type": "#microsoft.graph.commsNotification", "changeType": "deleted",
            "resourceUrl": f"/communications/calls/{call}/operations/{operation}",
            "resourceData": {"@odata.type": "#microsoft.graph.recordOperation", "id": operation,
                             "clientContext": context, "status": "completed",
                             "recordingLocation": "https://file.location/" + operation,
                             "recordingAccessToken": "secret"}})
    return json.dumps({"@odata.type": "#microsoft.graph.commsNotifications", "value": items})


class Site:
    """A folder with a config, the ports of one server, and the server while it runs."""

    def __init__(self, exe, folder, identity, sinks=(FILE,), extra="", server=""):
        self.exe, self.identity = exe, identity
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
        self.port, self.admin = free_port(), free_port()
        self.data = self.folder / "data"
        self.config = self.folder / "reelhook.toml"
        self.process, self.started_in = None, 0.0
        names = ", ".join(f'"{name}"' for name, _ in sinks)
        tables = "\n".join(f"[sinks.{name}]\n{table}" for name, table in sinks).replace("FOLDER", str(self.folder))
        provider = f"http://127.0.0.1:{identity}"
        self.config.write_text(f'''
[server]
listen = "127.0.0.1:{self.port}"
{server}
[admin]
listen = "127.0.0.1:{self.admin}"
[store]
path = "{self.data}/reelhook.db"
disk_reserve = "16MiB"
[calls]
app_ids = ["{APP}"]
openid_configuration = "{provider}/v1/.well-known/OpenIdConfiguration"
[subscriptions]
app_ids = ["{APP}"]
openid_configuration = "{provider}/common/v2.0/.well-known/openid-configuration"
client_states = [{{ env = "BENCH_CLIENT_STATE" }}]
{extra}
[log]
filter = "error"
{tables}
[[routes]]
name = "all"
sinks = [{names}]
''')

    def start(self, env=None, log=None):
        """Starts the server and waits until it is ready."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [self.exe, "serve", "--config", str(self.config)], stderr=log,
            env={**os.environ, "BENCH_CLIENT_STATE": CLIENT_STATE, **(env or {})})
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if get(self.admin, "/readyz")[0] == 200:
                    break
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended by itself with {self.process.returncode}")
            if time.monotonic() - began > 60:
                raise RuntimeError("the server was not ready within 60 s")
            time.sleep(0.002)
        self.started_in = time.monotonic() - began
        return self.process

    def stop(self):
        """Stops the server in order; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def serve(self, env=None):
        try:
            yield self.start(env)
        finally:
            self.process and self.stop()

    def run(self, *arguments, **options):
        """A command of the same binary with this config."""
        return subprocess.Popen([self.exe, *arguments, "--config", str(self.config)],
                                env={**os.environ, "BENCH_CLIENT_STATE": CLIENT_STATE}, **options)


@contextlib.contextmanager
def graph(exe, identity_dir):
    """A simulated Microsoft Graph, whose keys are kept in a folder: the port that they are published on, and a bearer
    token that it signed."""
    port = free_port()
    process = subprocess.Popen(
        [exe, "simulate", "--hold", "--print-token", "--identity-dir", str(identity_dir), "--identity-listen",
         f"127.0.0.1:{port}", "--url", "http://127.0.0.1:9", "--app-id", APP, "--tenant", TENANT],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        token = next(line.split(" ", 1)[1].strip() for line in process.stdout if line.startswith("token "))
        yield port, token
    finally:
        process.kill()
        process.wait()
