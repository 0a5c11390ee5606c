"""Real servers that sinks deliver to, each on a free port of its own and in a temporary folder."""
import contextlib, os, pathlib, shutil, socket, subprocess, tempfile, time

from site_of import free_port


class Broker:
    """A server of a kind. `KIND` is the sink's kind, `PROGRAM` what must be installed, `PLACE` where the plain loop sends
    to, and `URL` its address without the port."""

    def __init__(self):
        # A folder of its own: PostgreSQL runs as another user where we are root.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"reelhook-{self.KIND}-"))
        self.port, self.process = free_port(), None

    @classmethod
    def program(cls):
        return shutil.which(cls.PROGRAM)

    def __enter__(self):
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        cwd=self.folder)
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.PROGRAM} ended by itself with {self.process.returncode}")
            time.sleep(0.05)
        self.prepare()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @classmethod
    def url(cls, port):
        return f"{cls.URL}:{port}"

    @property
    def address(self):
        """What the plain loop connects to."""
        return self.url(self.port)

    def prepare(self):
        """Makes the place that events go to, where the server does not make it by itself."""

    @classmethod
    def sink(cls, port):
        """A sink of this kind: its name, and its table in the config."""
        return cls.KIND, f'kind = "{cls.KIND}"\n{cls.keys(port)}'


class Nats(Broker):
    KIND, PROGRAM, PLACE = "nats", "nats-server", "events.all"
    URL = "nats://127.0.0.1"

    def command(self):
        return [self.program(), "--addr", "127.0.0.1", "--port", str(self.port), "--jetstream", "--store_dir",
                str(self.folder)]

    def prepare(self):
        """Makes a stream by the protocol itself: there is no other client on the machine."""
        config = b'{"name":"events","subjects":["events.>"],"retention":"limits","storage":"file","num_replicas":1}'
        with socket.create_connection(("127.0.0.1", self.port), 5) as server:
            server.sendall(b'CONNECT {"verbose":false}\r\nSUB made 1\r\nPUB $JS.API.STREAM.CREATE.events made %d\r\n%s\r\n'
                           % (len(config), config))
            server.settimeout(5)
            answer = b""
            while b'"config"' not in answer:
                answer += server.recv(65536)

    @classmethod
    def keys(cls, port):
        return f'url = "{cls.url(port)}"\nsubject = "{cls.PLACE}"\n'


class Redis(Broker):
    KIND, PROGRAM, PLACE = "redis", "redis-server", "events"
    URL = "redis://127.0.0.1"

    def command(self):
        return [self.program(), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder), "--appendonly",
                "yes"]

    @classmethod
    def keys(cls, port):
        return f'url = "{cls.url(port)}"\nstream = "{cls.PLACE}"\n'


class Postgres(Broker):
    KIND, PROGRAM, PLACE = "postgres", "postgres", "plain_events"
    URL = "postgres://127.0.0.1"

    @classmethod
    def program(cls):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))  # where Debian has it
        return str(found[-1]) if found else None

    def as_owner(self, *command):
        """PostgreSQL refuses to run as root."""
        return ["runuser", "-u", "postgres", "--", *map(str, command)] if os.getuid() == 0 else [*map(str, command)]

    def command(self):
        data, initdb = self.folder / "data", pathlib.Path(self.program()).with_name("initdb")
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
        subprocess.run(self.as_owner(initdb, "--auth", "trust", "--username", "reelhook", "--pgdata", data), check=True,
                       stdout=subprocess.DEVNULL, cwd="/")
        return self.as_owner(self.program(), "-D", data, "-p", self.port, "-k", self.folder, "-h", "127.0.0.1")

    def prepare(self):
        """The port opens before the server takes logins; the first sink would be paused."""
        ready = pathlib.Path(self.program()).with_name("pg_isready")
        for _ in range(200):
            if subprocess.run([ready, "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode == 0:
                return
            time.sleep(0.05)

    @property
    def address(self):
        return f"postgresql://reelhook@127.0.0.1:{self.port}/postgres"

    @classmethod
    def keys(cls, port):
        return (f'url = "{cls.url(port)}/postgres"\ntable = "events"\n'
                'auth = { user = "reelhook", password = { env = "BENCH_PASSWORD" } }\n')


# Logins are by trust; the sink wants a password all the same.
os.environ["BENCH_PASSWORD"] = "bench"

KINDS = (Nats, Redis, Postgres)
