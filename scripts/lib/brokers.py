"""Real servers that sinks deliver to, each on a free port of its own and in a temporary folder; and the kinds that need no
server."""
import contextlib, json, os, pathlib, shutil, socket, subprocess, tempfile, time, urllib.request

from site_of import free_port

TOOLS = os.path.join(os.environ.get("REELHOOK_TOOLS", os.path.expanduser("~/.cache/reelhook-tools")), "bin")


class Broker:
    """A server of a kind. `KIND` is the sink's kind, `PROGRAM` what must be installed, `PLACE` where the plain loop sends
    to, and `URL` its address without the port. `IS_EXTRA`: only a build with all sinks has the kind. `HAS_LOOP`: there is a
    plain loop for it. `HAS_TARGETS`: its figures have targets. `IS_SLOW`: it is given a tenth of the events."""
    IS_EXTRA, HAS_LOOP, HAS_TARGETS, IS_SLOW, HAS_SERVER = False, True, True, False, True
    # More lines for the section [server].
    SERVER = ""

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

    def its_sink(self):
        """The sink that delivers to this server."""
        return self.sink(self.port)


class Folder(Broker):
    """A kind that needs no server: what it writes is in the folder."""
    HAS_SERVER, HAS_TARGETS, IS_SLOW = False, False, True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self):
        return str(self.folder)


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


class Rabbitmq(Broker):
    # Debian's wrapper would change the user.
    KIND, PROGRAM, PLACE = "rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server", "events"
    URL, PLUGINS = "amqp://127.0.0.1", "[]."

    def command(self):
        definitions = {"users": [{"name": "guest", "password": "guest", "tags": ["administrator"]}],
                       "vhosts": [{"name": "/"}],
                       "permissions": [{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
                       "queues": [{"name": self.PLACE, "vhost": "/", "durable": True, "auto_delete": False,
                                   "arguments": {}}]}
        (self.folder / "definitions.json").write_text(json.dumps(definitions))
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
                                                   f"load_definitions = {self.folder}/definitions.json\n")
        (self.folder / "plugins").write_text(self.PLUGINS)
        names = str(free_port())
        self.names = subprocess.Popen(["epmd", "-address", "127.0.0.1", "-port", names])
        places = {name: str(self.folder / part) for name, part in
                  {"HOME": "", "RABBITMQ_CONFIG_FILE": "rabbitmq.conf", "RABBITMQ_MNESIA_BASE": "mnesia",
                   "RABBITMQ_LOG_BASE": "log", "RABBITMQ_ENABLED_PLUGINS_FILE": "plugins"}.items()}
        # So it is one process, which a signal reaches.
        alone = {"RABBITMQ_ALLOW_INPUT": "1", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput"}
        variables = places | alone | {
            "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_NODENAME": f"reelhook-{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port), "ERL_EPMD_PORT": names, "RABBITMQ_DIST_PORT": str(free_port())}
        return ["env", *(f"{name}={value}" for name, value in variables.items()), self.program()]

    def __exit__(self, *failure):
        super().__exit__(*failure)
        self.names.kill()
        self.names.wait()

    @property
    def address(self):
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2f"

    @classmethod
    def keys(cls, port):
        return f'url = "{cls.url(port)}"\nrouting_key = "{cls.PLACE}"\n'


class Mqtt(Broker):
    KIND, PROGRAM, PLACE = "mqtt", "mosquitto", "events"
    URL = "mqtt://127.0.0.1"

    def command(self):
        config = self.folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
                          "set_tcp_nodelay true\n")
        self.folder.chmod(0o755)  # mosquitto becomes another user where we are root
        return [self.program(), "-c", str(config)]

    def prepare(self):
        """Subscribes by the protocol itself, with a session that lasts: nobody reads, so nobody disturbs."""
        def packet(kind, body):
            return bytes([kind, len(body)]) + body

        def text(it):
            return len(it).to_bytes(2, "big") + it

        session = b"\x11\xff\xff\xff\xff"
        connect = text(b"MQTT") + b"\x05\x00\x00\x00" + bytes([len(session)]) + session + text(b"bench")
        with socket.create_connection(("127.0.0.1", self.port), 5) as server:
            server.sendall(packet(0x10, connect))
            answer = server.recv(4096)
            assert answer[0] == 0x20 and answer[3] == 0, answer
            server.sendall(packet(0x82, b"\x00\x01\x00" + text(self.PLACE.encode()) + b"\x01"))
            answer = server.recv(4096)
            assert answer[0] == 0x90 and answer[-1] == 1, answer
            server.sendall(packet(0xE0, b""))

    @classmethod
    def keys(cls, port):
        return f'url = "{cls.url(port)}"\ntopic = "{cls.PLACE}"\n'


class Kafka(Broker):
    """Tansu, which keeps everything in memory: of a build with all sinks."""
    KIND, PROGRAM, PLACE = "kafka", "tansu", "events"
    IS_EXTRA = True
    URL = "127.0.0.1"

    @classmethod
    def program(cls):
        return shutil.which(cls.PROGRAM) or shutil.which(cls.PROGRAM, path=TOOLS)

    def command(self):
        return [self.program(), "broker", "--storage-engine", "memory://tansu/", "--listener-url",
                f"tcp://127.0.0.1:{self.port}", "--advertised-listener-url", f"tcp://127.0.0.1:{self.port}"]

    def prepare(self):
        subprocess.run([self.program(), "topic", "create", "--broker", f"tcp://127.0.0.1:{self.port}", self.PLACE,
                        "--partitions", "4"], check=True, stdout=subprocess.DEVNULL)

    @classmethod
    def keys(cls, port):
        return f'brokers = "{cls.url(port)}"\ntopic = "{cls.PLACE}"\n'


class Object(Folder):
    """An object for each event, in a folder: synced to the disk."""
    KIND, PROGRAM, PLACE = "object", "sync", "plain"

    def its_sink(self):
        return self.KIND, f'kind = "object"\nurl = "file://{self.folder}/objects"\n'


class Exec(Folder):
    """A command for each event, which reads it and ends: what is measured is the start of a process."""
    KIND, PROGRAM, HAS_LOOP, PLACE = "exec", "cat", False, ""
    SERVER = "allow_exec = true"

    def its_sink(self):
        return self.KIND, 'kind = "exec"\ncommand = ["cat"]\n'


class Servicebus(Rabbitmq):
    """RabbitMQ with its plugin for AMQP 1.0, not Azure Service Bus."""
    KIND, PLUGINS = "servicebus", "[rabbitmq_amqp1_0]."
    HAS_LOOP, HAS_TARGETS = False, False

    @classmethod
    def keys(cls, port):
        return f'url = "{cls.url(port)}"\nqueue = "/amq/queue/{cls.PLACE}"\n'


class Sqs(Broker):
    """moto, which takes longer for each request the more messages a queue has: its speed is not that of Amazon's service."""
    KIND, PROGRAM, PLACE = "sqs", "moto_server", "events"
    URL, HAS_LOOP, HAS_TARGETS, IS_SLOW = "http://127.0.0.1", False, False, True

    @classmethod
    def program(cls):
        return shutil.which(cls.PROGRAM) or shutil.which(cls.PROGRAM, path=TOOLS)

    def command(self):
        return [self.program(), "-H", "127.0.0.1", "-p", str(self.port)]

    def prepare(self):
        scope = "Credential=bench/20261129/eu-north-1/sqs/aws4_request"
        ask(f"{self.address}/", {"QueueName": self.PLACE}, "POST", {
            "x-amz-target": "AmazonSQS.CreateQueue", "content-type": "application/x-amz-json-1.0",
            "authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"})

    @classmethod
    def keys(cls, port):
        return (f'queue_url = "{cls.url(port)}/123456789012/{cls.PLACE}"\nregion = "eu-north-1"\n'
                'auth = { access_key_id = "bench", secret_access_key = { env = "BENCH_PASSWORD" } }\n')


class Pubsub(Broker):
    """Google's emulator: its speed is not that of the service."""
    KIND, PROGRAM, PLACE = "pubsub", "Google's emulator of Pub/Sub", "events"
    URL, HAS_LOOP, HAS_TARGETS, IS_SLOW = "http://127.0.0.1", False, False, True

    @classmethod
    def program(cls):
        found = sorted(pathlib.Path("/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib").glob("*.jar"))
        return str(found[-1]) if found and shutil.which("java") else None

    def command(self):
        return ["java", "-jar", self.program(), "--host=127.0.0.1", f"--port={self.port}"]

    def prepare(self):
        """A topic without a subscription would keep nothing."""
        project = f"{self.address}/v1/projects/bench-project"
        ask(f"{project}/topics/{self.PLACE}", {}, "PUT")
        ask(f"{project}/subscriptions/{self.PLACE}", {"topic": f"projects/bench-project/topics/{self.PLACE}"}, "PUT")

    @classmethod
    def keys(cls, port):
        return f'project = "bench-project"\ntopic = "{cls.PLACE}"\nendpoint = "{cls.url(port)}"\n'


def ask(url, question, method, headers=None):
    """Sends JSON to a server; its refusal is an error."""
    headers = {"content-type": "application/json", **(headers or {})}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(question).encode(), headers, method=method), timeout=30).close()


# Servers here take any login, or ask for none; a sink wants a password all the same.
os.environ["BENCH_PASSWORD"] = "bench"

KINDS = (Nats, Redis, Postgres, Rabbitmq, Mqtt, Kafka, Object, Exec, Servicebus, Sqs, Pubsub)
