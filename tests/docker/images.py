"""Builds the images that the container tests need, from what is on this machine: no registry is asked for anything.

A base image holds one runtime of the host (Python, Node.js, Java) with the libraries it is linked to. On top of them
stand a Kafka that is configured like the official image, and the Gateways under test with their own Dockerfiles.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import docker

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PREFIX = "ackgap-test"
KAFKA = f"{PREFIX}/kafka:local"
PYTHON_BASE, NODE_BASE, EMPTY_BASE = (f"{PREFIX}/base-{name}:local" for name in ("python", "node", "empty"))
REFERENCE, NODE, GO, GO_WORLDSERVICE = (
    f"{PREFIX}/{name}:local" for name in ("reference", "node-gateway", "go-gateway", "go-worldservice")
)
JAVA_MODULES = "java.base,java.desktop,java.logging,java.management,java.naming,java.scripting,java.security.jgss,java.sql,java.xml,jdk.crypto.ec,jdk.management,jdk.unsupported,jdk.zipfs"
WHEELS_NEED = ("libgcc_s.so.1", "libstdc++.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1")
UNUSED = re.compile(
    r"(^|/)(__pycache__|test|tests|idlelib|turtledemo|tkinter|ensurepip|config-3\.\d+[^/]*)(/|$)|\.a$|^site-packages/(?!pip)"
)


class Layer:
    """A root file system in the making, kept as a tar archive in memory."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()
        self.archive = tarfile.TarFile(fileobj=self.buffer, mode="w")
        self.have: set[str] = set()
        for folder, mode in (("tmp", 0o1777), ("etc", 0o755), ("proc", 0o755), ("var/tmp", 0o1777)):
            self._folder(folder, mode)
        self.text("/etc/passwd", "root:x:0:0:root:/:/bin/sh\n")
        self.text("/etc/group", "root:x:0:\n")

    def _folder(self, name: str, mode: int) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self.archive.addfile(entry)

    def text(self, path: str, content: str, mode: int = 0o644) -> None:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mode = len(content.encode()), mode
        self.archive.addfile(entry, io.BytesIO(content.encode()))

    def file(self, source: Path, path: str) -> None:
        if path in self.have:
            return
        self.have.add(path)
        real = source.resolve()
        entry = self.archive.gettarinfo(real, path.lstrip("/"))
        entry.uid = entry.gid = 0
        with real.open("rb") as stream:
            self.archive.addfile(entry, stream)

    def tree(self, source: Path, path: str) -> None:
        for found in sorted(source.rglob("*")):
            name = f"{path}/{found.relative_to(source)}"
            if found.is_file() and not UNUSED.search(str(found.relative_to(source))):
                self.file(found, name)

    def link(self, path: str, to: str) -> None:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, to
        self.archive.addfile(entry)

    def libraries(self, binaries: Iterable[Path]) -> None:
        """The shared libraries that these binaries are linked to, at the places where the loader looks."""
        for binary in binaries:
            said = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout
            for library in re.findall(r"(/\S+) \(0x", said):
                self.file(Path(library), library)

    def into(self, client: docker.DockerClient, tag: str, changes: tuple[str, ...] = ()) -> None:
        self.archive.close()
        name, _, label = tag.partition(":")
        client.api.import_image_from_data(self.buffer.getvalue(), repository=name, tag=label, changes=list(changes))


def base_python(client: docker.DockerClient) -> None:
    layer = Layer()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    binary, standard = Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib"))
    layer.file(binary, f"/usr/local/bin/{version}")
    layer.link("/usr/local/bin/python3", version)
    layer.link("/usr/local/bin/python", version)
    layer.tree(standard, f"/usr/local/lib/{version}")
    layer.libraries([binary, *(standard / "lib-dynload").glob("*.so")])
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    for name in WHEELS_NEED:
        found = re.search(rf"{re.escape(name)} .*x86-64.* => (\S+)", known)
        if found:
            layer.file(Path(found.group(1)), found.group(1))
    layer.into(client, PYTHON_BASE, ("ENV PATH=/usr/local/bin:/usr/bin:/bin", "ENV PYTHONDONTWRITEBYTECODE=1"))


def base_node(client: docker.DockerClient) -> None:
    layer = Layer()
    node = Path(shutil.which("node") or "node")
    layer.file(node, "/usr/local/bin/node")
    layer.libraries([node.resolve()])
    layer.into(client, NODE_BASE, ("ENV PATH=/usr/local/bin",))


def base_empty(client: docker.DockerClient) -> None:
    layer = Layer()
    busybox = Path(shutil.which("busybox") or "busybox")
    layer.file(busybox, "/bin/busybox")
    for name in ("sh", "sleep", "cat", "nc", "httpd"):
        layer.link(f"/bin/{name}", "busybox")
    layer.into(client, EMPTY_BASE, ("ENV PATH=/bin",))


def kafka(client: docker.DockerClient) -> None:
    """Apache Kafka that takes its configuration from KAFKA_* variables, as the official image does."""
    layer = Layer()
    with tempfile.TemporaryDirectory(prefix="ackgap-image-") as scratch:
        jars, runtime = Path(scratch) / "libs", Path(scratch) / "jre"
        _run("mvn", "-q", "-f", str(HERE / "kafka" / "pom.xml"), "dependency:copy-dependencies",
             f"-DoutputDirectory={jars}")  # fmt: skip
        _run("jlink", "--add-modules", JAVA_MODULES, "--strip-debug", "--no-header-files", "--no-man-pages",
             "--output", str(runtime))  # fmt: skip
        layer.tree(jars, "/opt/kafka/libs")
        layer.tree(runtime, "/opt/java")
        layer.libraries([runtime / "bin" / "java", *(runtime / "lib").rglob("*.so")])
    layer.file(Path(shutil.which("busybox") or "busybox"), "/bin/busybox")
    for name in ("sh", "mkdir", "cat", "sleep"):
        layer.link(f"/bin/{name}", "busybox")
    layer.text("/etc/kafka/docker/run", (HERE / "kafka" / "run.sh").read_text(), 0o755)
    layer.text("/etc/kafka/docker/server.properties", "")
    layer.text("/etc/kafka/docker/log4j2.properties", (HERE / "kafka" / "log4j2.properties").read_text())
    layer.into(client, KAFKA, ("ENV PATH=/opt/java/bin:/bin", 'ENTRYPOINT ["/etc/kafka/docker/run"]'))


def reference(client: docker.DockerClient) -> None:
    """The reference Gateway, from the project's own Dockerfile."""
    with tempfile.TemporaryDirectory(prefix="ackgap-image-") as scratch:
        context = Path(scratch)
        wheels = context / "wheels"
        _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-build-isolation",
             "-w", str(wheels), "-c", str(_plain_lock(context)), str(ROOT))  # fmt: skip
        shutil.copy(ROOT / "reference_impl" / "Dockerfile", context / "Dockerfile")
        _build(client, context, REFERENCE, PYTHON_BASE)


def node_gateway(client: docker.DockerClient) -> None:
    folder = ROOT / "tests" / "gateways" / "node"
    with tempfile.TemporaryDirectory(prefix="ackgap-image-") as scratch:
        context = Path(scratch)
        for name in ("gateway.js", "stream.js", "package.json", "package-lock.json", "Dockerfile"):
            shutil.copy(folder / name, context / name)
        _run("npm", "ci", "--no-audit", "--no-fund", "--omit=dev", cwd=context)
        _build(client, context, NODE, NODE_BASE)


def go_gateway(client: docker.DockerClient) -> None:
    _from_go(client, ROOT / "tests" / "gateways" / "go", "gateway", GO)


def go_worldservice(client: docker.DockerClient) -> None:
    _from_go(client, ROOT / "tests" / "worldservices" / "go", "worldservice", GO_WORLDSERVICE)


def _from_go(client: docker.DockerClient, folder: Path, binary: str, tag: str) -> None:
    """An image of one binary, compiled here."""
    with tempfile.TemporaryDirectory(prefix="ackgap-image-") as scratch:
        context = Path(scratch)
        for path in (*folder.glob("*.go"), folder / "go.mod", folder / "go.sum", folder / "Dockerfile"):
            shutil.copy(path, context / path.name)
        _run("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".", cwd=context, CGO_ENABLED="0")
        _build(client, context, tag, EMPTY_BASE)


ALL = {
    PYTHON_BASE: base_python,
    NODE_BASE: base_node,
    EMPTY_BASE: base_empty,
    KAFKA: kafka,
    REFERENCE: reference,
    NODE: node_gateway,
    GO: go_gateway,
    GO_WORLDSERVICE: go_worldservice,
}


def missing(client: docker.DockerClient) -> list[str]:
    """The images of ALL that the engine does not have yet, in the order in which they can be built."""
    have = {tag for image in client.images.list() for tag in image.tags}
    return [tag for tag in ALL if tag not in have]


def _build(client: docker.DockerClient, context: Path, tag: str, base: str) -> None:
    client.images.build(path=str(context), tag=tag, buildargs={"BASE_IMAGE": base}, rm=True, forcerm=True)


def _plain_lock(folder: Path) -> Path:
    """The lock without hashes, as constraints."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    path = folder / "constraints.txt"
    path.write_text("\n".join(line.split(" \\")[0] for line in lines if re.match(r"^[a-zA-Z0-9]", line)))
    return path


def _run(*command: str, cwd: Path | None = None, **env: str) -> None:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")


def main() -> None:
    """Build every image, also those that are there already; names after the command choose some."""
    client = docker.from_env()
    chosen = [tag for tag in ALL if not sys.argv[1:] or any(word in tag for word in sys.argv[1:])]
    for tag in chosen:
        print(f"building {tag}", flush=True)
        ALL[tag](client)


if __name__ == "__main__":
    main()
