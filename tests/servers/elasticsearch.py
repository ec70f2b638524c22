"""Real Elasticsearch servers for tests, benchmarks and notebooks: unpacked once, free ports.

The vendor's minimal distribution: no scripts, no language analyzers, no `GET /`.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import psutil
from filelock import FileLock

from tests.servers.watcher import Watcher
from tests.waiting import wait_until

ARCHIVE = "elasticsearch/elasticsearch-8.19.4.zip"
SHA256 = "553088b4c0f60f04d7c63da609aaeae372c483159f4fb8013599e91233aab0de"
USER = "workbench-es"
"""The server refuses to run as root; then this user is made for it."""


class Server:
    """One node of its own process, data folder and ports. `start` waits until it answers. Both end
    with the process that made them, even if that is killed.

    `quick`: half the work until it answers, by compiling less; for servers that live for minutes
    and are not measured. `users`: password by name. `roles`: by the same name what this user may
    do, as in roles.yml; without one a user may do everything.
    """

    def __init__(
        self,
        archive: Path,
        *,
        heap: str = "512m",
        quick: bool = True,
        settings: Mapping[str, object] | None = None,
        users: Mapping[str, str] | None = None,
        roles: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        self.port, self.transport_port = free_port(), free_port()
        self._home = unpacked(archive)
        self._folder = Path(tempfile.mkdtemp(prefix="workbench-es-", dir=_data_place()))
        self._watcher = Watcher(self._folder)
        self._heap = heap
        self._quick = quick
        self._users = dict(users or {})
        self._roles = dict(roles or {})
        self._hashes: dict[str, str] = {}
        self._settings: dict[str, object] = {
            "discovery.type": "single-node",
            "xpack.security.enabled": bool(users),
            "http.port": self.port,
            "transport.port": self.transport_port,
            "http.host": "127.0.0.1",
            "transport.host": "127.0.0.1",
            "path.data": str(self._folder / "data"),
            "path.logs": str(self._folder / "logs"),
            "cluster.routing.allocation.disk.threshold_enabled": False,
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._configure()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> Server:
        """Start the process on the same data and ports as before."""
        options = f"-Xms{self._heap} -Xmx{self._heap}"
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self._folder),
            "ES_JAVA_HOME": java_home(),
            "ES_PATH_CONF": str(self._folder / "config"),
            "ES_JAVA_OPTS": options,
            "CLI_JAVA_OPTS": "-Xmx64m -XX:TieredStopAtLevel=1",
            "ES_TMPDIR": str(self._folder / "tmp"),
        }
        with open(self._folder / "console.log", "ab") as log:
            self._process = subprocess.Popen(
                [str(self._home / "bin" / "elasticsearch")],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                user=_user(),
                start_new_session=True,
            )
        self._watcher.follow(self._process.pid)
        if wait:
            self.wait()
        return self

    def wait(self) -> None:
        """Until the node answers and has elected a master."""
        wait_until(lambda: self._ended() or self._answers(), every=0.2)
        if self._ended():
            raise RuntimeError(f"Elasticsearch stopped at its start:\n{self.log()}")

    def kill(self) -> None:
        """Kill the server's process as a power cut would; its data stays."""
        for process in self._processes():
            process.kill()
        if self._process is not None:
            self._process.wait()
            self._watcher.follow(0)
        self._process = None

    def pause(self) -> None:
        """Stop the process without ending it: connections stand, nothing answers."""
        for process in self._processes():
            process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        for process in self._processes():
            process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill the process and delete its data."""
        self.resume()
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._watcher.dismiss()

    def log(self) -> str:
        """The last lines that the server printed."""
        path = self._folder / "console.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def _processes(self) -> list[psutil.Process]:
        if self._process is None or not psutil.pid_exists(self._process.pid):
            return []
        parent = psutil.Process(self._process.pid)
        return [*parent.children(recursive=True), parent]

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _answers(self) -> bool:
        try:
            url = f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=1s"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            return error.code == 401  # security is on: it answers, to whom it knows
        except OSError:
            return False

    def _configure(self) -> None:
        config = self._folder / "config"
        shutil.copytree(self._home / "config", config)
        for name in ("data", "logs", "tmp"):
            (self._folder / name).mkdir()
        lines = (f"{name}: {_yaml(value)}\n" for name, value in self._settings.items())
        (config / "elasticsearch.yml").write_text("".join(lines))
        if self._quick:
            options = (config / "jvm.options").read_text()
            few = "-XX:+UseSerialGC\n-XX:TieredStopAtLevel=1"
            (config / "jvm.options").write_text(options.replace("-XX:+UseG1GC", few))
        if self._roles:
            roles = (f"{name}: {json.dumps(role)}\n" for name, role in self._roles.items())
            (config / "roles.yml").write_text("".join(roles))  # JSON is YAML, a role a line
        for name, password in self._users.items():
            self._add_user(name, password, config)
        if _user() is not None:
            _give_away(self._folder)

    def _add_user(self, name: str, password: str, config: Path) -> None:
        """With the vendor's tool, which takes seconds; a password that has a hash keeps it."""
        role = name if name in self._roles else "superuser"
        if password in self._hashes:
            with open(config / "users", "a") as users, open(config / "users_roles", "a") as roles:
                users.write(f"{name}:{self._hashes[password]}\n")
                roles.write(f"{role}:{name}\n")
            return
        environment = {
            **os.environ,
            "ES_JAVA_HOME": java_home(),
            "ES_PATH_CONF": str(self._folder / "config"),
        }
        tool = str(self._home / "bin" / "elasticsearch-users")
        command = [tool, "useradd", name, "-p", password, "-r", role]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        lines = (config / "users").read_text().splitlines()
        [self._hashes[password]] = [x.partition(":")[2] for x in lines if x.startswith(f"{name}:")]


def cluster(archive: Path, nodes: int = 3, heap: str = "320m") -> list[Server]:
    """Nodes that form one cluster; all started, and waited for."""
    ports = [free_port() for _ in range(nodes)]
    names = [f"node-{number}" for number in range(nodes)]
    servers = []
    for name, port in zip(names, ports, strict=True):
        settings: dict[str, object] = {
            "discovery.type": "multi-node",
            "cluster.name": f"workbench-{ports[0]}",
            "node.name": name,
            "transport.port": port,
            "discovery.seed_hosts": [f"127.0.0.1:{other}" for other in ports],
            "cluster.initial_master_nodes": names,
        }
        servers.append(Server(archive, heap=heap, settings=settings))
    for server in servers:
        server.start(wait=False)
    for server in servers:
        server.wait()
    return servers


def unpacked(archive: Path) -> Path:
    """The distribution's folder, unpacked once a machine and readable by every user."""
    place = Path(tempfile.gettempdir()) / f"workbench-es-{SHA256[:12]}"
    with FileLock(f"{place}.lock"):
        if not place.is_dir():
            found = sha256(archive.read_bytes()).hexdigest()
            if found != SHA256:
                raise RuntimeError(f"{archive.name} has sha256 {found}, expected {SHA256}")
            partial = Path(tempfile.mkdtemp(prefix="workbench-es-unpack-"))
            with zipfile.ZipFile(archive) as content:
                content.extractall(partial)
            [inner] = partial.iterdir()
            for path in [inner, *inner.rglob("*")]:
                program = path.is_dir() or path.parent.name == "bin" or "/bin/" in str(path)
                path.chmod(0o755 if program else 0o644)
            inner.rename(place)
            partial.rmdir()
    return place


def java_home() -> str:
    """The folder of the Java runtime on the path."""
    command = ["java", "-XshowSettings:properties", "-version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"java\.home = (.+)", done.stderr)
    assert found is not None, done.stderr
    return found.group(1).strip()


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _data_place() -> str | None:
    """In memory where there is room: a new index costs several writes through to the disk."""
    place = Path("/dev/shm")
    roomy = place.is_dir() and os.access(place, os.W_OK)
    return str(place) if roomy and shutil.disk_usage(place).free > 2 * 2**30 else None


def _user() -> str | None:
    """Who runs the server: root cannot."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
        subprocess.run(command, check=True, capture_output=True)
    return USER


def _give_away(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        shutil.chown(path, USER)


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    return str(value)
