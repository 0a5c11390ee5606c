"""A container engine of one's own: Debian's dockerd with its own folders and socket, without a bridge and without rules in
the firewall, and the base images that it needs, made without a registry."""
import contextlib, io, json, os, pathlib, shutil, signal, subprocess, sys, tarfile, tempfile, time

RUN_BASE, BUILD_BASE = "reelhook-run-base", "reelhook-build-base"
BUSYBOX = "/bin/busybox"
# Nothing else can set these for the engine of somebody else.
UNSET = "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"


class Refused(Exception):
    """This machine does not run an engine, for this reason."""


def install():
    """Installs what is missing. Where systemd runs, Debian's package would start an engine for the whole machine: there it
    must be there before."""
    needs = {"dockerd": "docker.io", "docker": "docker.io", "busybox": "busybox-static"}
    missing = sorted({package for name, package in needs.items() if not shutil.which(name, path=path())})
    if not missing:
        return
    if os.path.exists("/run/systemd/system") or not shutil.which("apt-get"):
        raise Refused(f"{' '.join(missing)} is not installed")
    print("installing", *missing, flush=True)
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
        subprocess.run(["apt-get", *command], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def path():
    return os.environ["PATH"] + ":/usr/sbin:/sbin"


class Engine:
    """Runs while the block runs. At its end, every container, image and volume is gone with its folder."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Refused("an engine of one's own needs root")
        install()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="reelhook-image-"))
        self.log, self.process = self.folder / "engine.log", None
        self.env = {**{name: value for name, value in os.environ.items() if name not in UNSET}, "PATH": path(),
                    "DOCKER_HOST": f"unix://{self.folder}/socket", "DOCKER_CONFIG": str(self.folder / "client"),
                    # BuildKit needs a plugin of newer clients; the classic builder is in every engine.
                    "DOCKER_BUILDKIT": os.environ.get("DOCKER_BUILDKIT", "0")}

    def __enter__(self):
        for driver in ([], ["--storage-driver", "vfs"]):
            if self.start(driver):
                return self
        said = self.log.read_text(errors="replace").strip().splitlines()[-1:]
        self.__exit__()
        raise Refused(f"dockerd did not start: {' '.join(said)}")

    def start(self, more):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec",
                 "--pidfile", self.folder / "pid", "--host", self.env["DOCKER_HOST"], "--bridge", "none",
                 "--iptables=false", "--ip6tables=false", "--ip-forward=false", *more],
                stdout=log, stderr=log, env=self.env, start_new_session=True)
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.docker("version", check=False).returncode == 0:
                return True
            time.sleep(0.1)
        self.end()
        return False

    def end(self):
        """Ends the engine, which ends its containers' runtime."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                # Its group is its own: it and the containerd that it started.
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            containers = self.docker("ps", "-aq", check=False).stdout.split()
            containers and self.docker("rm", "-f", "-v", *containers, check=False)
        self.end()
        for mount in mounts_below(self.folder):
            subprocess.run(["umount", "-l", mount], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def docker(self, *arguments, check=True, **options):
        """Runs the client; its output is text."""
        options = {"timeout": 120, "text": True, "stdin": None if "input" in options else subprocess.DEVNULL, **options}
        done = subprocess.run(["docker", *map(str, arguments)], env=self.env, capture_output=True, **options)
        if check and done.returncode != 0:
            raise RuntimeError(f"docker {' '.join(map(str, arguments))}: exit code {done.returncode}\n"
                               f"{done.stdout[-1500:]}{done.stderr[-1500:]}")
        return done

    def inspect(self, name):
        return json.loads(self.docker("inspect", name).stdout)[0]

    def import_image(self, name, archive, *changes):
        changes = [part for change in changes for part in ("--change", change)]
        self.docker("import", *changes, archive, name)


def mounts_below(folder):
    """The mounts below a folder, the deepest first."""
    lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    return sorted((line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")), reverse=True)


class Archive:
    """A tar file of a root file system, with owners and modes of our choice."""

    def __init__(self, path):
        self.path = path
        self.tar = tarfile.open(path, "w")

    def entry(self, name, mode, kind=tarfile.REGTYPE, content=b"", link=""):
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.mode, entry.type, entry.size, entry.linkname = mode, kind, len(content), link
        self.tar.addfile(entry, io.BytesIO(content))

    def folder(self, name, mode=0o755):
        self.entry(name, mode, tarfile.DIRTYPE)

    def file(self, name, content, mode=0o644):
        self.entry(name, mode, content=content if isinstance(content, bytes) else content.encode())

    def link(self, name, to):
        self.entry(name, 0o777, tarfile.SYMTYPE, link=to)

    def close(self):
        self.tar.close()
        return self.path


def libraries(exe):
    """The paths of the shared libraries that a binary loads, the loader included."""
    lines = subprocess.run(["ldd", exe], check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted({word for line in lines for word in line.split() if word.startswith("/")})


def run_base(engine, exe):
    """What the distroless base has and the binary needs: the libraries, the certificates of authorities, /tmp, the user."""
    archive = Archive(engine.folder / "run-base.tar")
    archive.folder("/tmp", 0o1777)
    archive.file("/etc/passwd", "root:x:0:0::/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n")
    archive.file("/etc/group", "root:x:0:\nnonroot:x:65532:\n")
    for name in [*libraries(exe), "/etc/ssl/certs/ca-certificates.crt"]:
        if os.path.exists(name):
            archive.file(name, pathlib.Path(name).read_bytes(), 0o755 if ".so" in name else 0o644)
    engine.import_image(RUN_BASE, archive.close())


# It takes the place of cargo. The compile itself would take minutes. What the compiler read when the binary was built must
# be there: so a COPY that is missing in the Dockerfile is noticed.
SHIM = """#!/bin/sh
set -e
[ "$*" = "build --release --locked" ] || { echo "cargo $*: expected build --release --locked" >&2; exit 1; }
if [ -s src/lib.rs ]; then
    while read -r file; do
        [ -e "$file" ] || { echo "the compiler reads $file, and the Dockerfile does not copy it" >&2; exit 1; }
    done < /shim/reads
fi
mkdir -p target/release
cp /shim/reelhook target/release/reelhook
"""


def sources(exe):
    """What the compiler read to build a binary, as paths in the project."""
    _, names = pathlib.Path(exe + ".d").read_text().splitlines()[0].split(": ", 1)
    # A space in a name is written "\\ ".
    names = [name.replace("\0", " ") for name in names.replace("\\ ", "\0").split()]
    root = os.path.commonpath(names)
    return sorted({"Cargo.toml", "Cargo.lock", ".cargo/config.toml", *(os.path.relpath(name, root) for name in names)})


def build_base(engine, exe):
    """A shell, its tools, and a cargo that hands out a binary which was built before."""
    archive = Archive(engine.folder / "build-base.tar")
    archive.folder("/tmp", 0o1777)
    archive.file("/bin/busybox", pathlib.Path(BUSYBOX).read_bytes(), 0o755)
    for tool in subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
        tool != "busybox" and archive.link(f"/bin/{tool}", "busybox")
    archive.file("/usr/local/bin/cargo", SHIM, 0o755)
    archive.file("/shim/reelhook", stripped(engine, exe), 0o755)
    archive.file("/shim/reads", "\n".join(sources(exe)) + "\n")
    engine.import_image(BUILD_BASE, archive.close())


def stripped(engine, exe):
    """The binary without its symbols: they are most of a debug build."""
    small = engine.folder / "stripped"
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        subprocess.run(["strip", "-o", small, exe], check=True, capture_output=True)
        return small.read_bytes()
    return pathlib.Path(exe).read_bytes()


def whole_build_base(engine):
    """A Debian with a C compiler, and this machine's Rust with the crates that it has fetched: what it takes to compile
    without a network. Some gigabytes."""
    if not shutil.which("mmdebstrap"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "mmdebstrap"], check=True,
                       stdout=subprocess.DEVNULL)
    root = pathlib.Path(tempfile.mkdtemp(prefix="root-", dir=engine.folder))
    codename = next(line.split("=")[1].strip().strip('"') for line in open("/etc/os-release")
                    if line.startswith("VERSION_CODENAME="))
    subprocess.run(["mmdebstrap", "--variant=minbase", "--mode=root", "--include=gcc,libc6-dev,make", codename, root],
                   check=True, stdout=sys.stderr)
    output = lambda *command: subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["cp", "-a", output("rustc", "--print", "sysroot"), root / "rust"], check=True)
    shutil.rmtree(root / "rust/share", ignore_errors=True)
    registry = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo")) / "registry"
    (root / "cargo/registry").mkdir(parents=True)
    for name in ("cache", "index"):
        subprocess.run(["cp", "-a", registry / name, root / "cargo/registry"], check=True)
    archive = engine.folder / "build-base.tar"
    subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
    shutil.rmtree(root)
    engine.import_image(BUILD_BASE, archive, "ENV PATH=/rust/bin:/usr/bin:/bin CARGO_HOME=/cargo CARGO_NET_OFFLINE=true")
    archive.unlink()
