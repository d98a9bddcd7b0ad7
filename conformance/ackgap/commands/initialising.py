"""`ackgap init`: writes a commented descriptor to start from."""

import json
import re
import sys
from pathlib import Path

import click

from ackgap.contract import ContractError, load
from ackgap.harness.blame import Exit
from ackgap.report.terminal import harmless
from ackgap.target import descriptor

ENV = """\
  env:                               # what your Gateway calls it: what the kit fills in
    KAFKA_BROKERS: "{bus.bootstrap}"
    ACTIVATION_TOPIC: "{bus.activation_topic}"
    ACK_TOPIC: "{bus.ack_topic}"
    GROUP_ID: "{bus.group}"
    WORLDSERVICE_URL: "{worldservice.url}"
    GAP_TIMEOUT_MS: "{settings.gap_timeout_ms}"
    RESYNC_ENFORCED: "{settings.resync_enforced}"
"""
ROLES = {"gateway": "Gateway", "worldservice": "WorldService"}
OBSERVE = """\
observe:                             # what it lets a tester see; leave out what it does not offer
  gate: {url: "http://{host}:{port.http}/worlds/{world_id}/order-gate?run_id={run_id}"}
# gate with words of its own:        map: {pointer: /orders, open: pass, closed: stop}
  relay: {websocket: "ws://{host}:{port.http}/ws"}
  metrics: {url: "http://{host}:{port.http}/metrics"}
"""
SETTINGS = """\
# settings: {resync_enforced: [true], gap_timeout_ms: 3000}   # only if they cannot be set from outside
"""
FIXED = """\
settings: {resync_enforced: [true], gap_timeout_ms: 3000}      # what it runs with
topics: {activation: activation, ack: control.activation.ack}  # what it reads and writes
"""
WORLDSERVICE_ENV = """\
  env:                               # what your WorldService calls it: what the kit fills in
    KAFKA_BROKERS: "{bus.bootstrap}"
    ACTIVATION_TOPIC: "{bus.activation_topic}"
    ACK_TOPIC: "{bus.ack_topic}"
"""
PROVIDES = """\
worldservice:
  url: "http://{host}:{port.http}"   # the contract's paths are appended to it; leave it out and only the topic is judged
  apply:                             # how it is made to apply a world; or command: [...], or watch: {worlds: [...]}
    http:
      url: "http://{host}:{port.http}/worlds/{world_id}/apply"
      body: {run_id: "{run_id}", entries: "{entries}"}
# entry: {strategy: "{strategy_id}", side: "{side}", on: "{active}", weight: "{weight}"}   # if one of {entries} is called otherwise
# abort: {http: {method: DELETE, url: "http://{host}:{port.http}/worlds/{world_id}/apply/{run_id}"}}
"""
TOPICS = "topics: {activation: activation, ack: control.activation.ack}  # what it writes and reads\n"
STEM = re.compile(r"[^A-Za-z0-9._-]+")
READY = '  ready: {{http: "http://{{host}}:{{port.http}}/health"}}   # or log: REGEX, or tcp: http{more}\n'
ATTACHED = """\
  attach: true                       # it runs already; name its bus with --bus kafka://HOST:PORT
  ports: {http: 8080}                # where it listens on this machine
"""


def starts(role: str) -> dict[str, str]:
    """The part `start` of a descriptor for each way in which something of this role can be started."""
    word, env = role, WORLDSERVICE_ENV if role == "worldservice" else ENV
    often = "once per setting" if role == "gateway" else "and killed once to see what it keeps"
    ready = READY.format(more="; without it the first ACK shows it" if role == "gateway" else "")
    published = "  ports: {http: 8080}                # what it listens on inside; published on 127.0.0.1 only\n"
    image = f"image: acme/{word}:1.0"
    ways = {
        "command": f"  {f'command: [./{word}]':<35}# program and arguments; started here without a shell, {often}\n{env}"
        f'    PORT: "{{port.http}}"              # a free port of this machine\n{ready}',
        "image": f"  {image:<35}# run by a container engine, next to a real Kafka (--bus container)\n{env}{published}{ready}",
        "build": f"  {'build: .':<35}# folder with a Dockerfile; the image is built first\n{env}{published}{ready}",
        "attach": f"{ATTACHED}{READY.format(more='')}",
    }
    if role == "worldservice":
        return ways
    served = "  worldservice: 127.0.0.1:8100       # the kit serves its WorldService here; point your Gateway to it\n"
    core = "  python: gateway:build              # module:callable that builds a core without I/O; played in virtual time\n"
    return ways | {"attach": f"{ATTACHED}{served}{READY.format(more='')}", "python": core}


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), required=False)
@click.option(
    "--role",
    type=click.Choice(["gateway", "worldservice"]),
    default="gateway",
    show_default=True,
    help="What it is; a WorldService has no `python`.",
)
@click.option(
    "--start",
    "way",
    type=click.Choice(list(starts("gateway"))),
    default="command",
    show_default=True,
    help="How it is started.",
)
@click.option("--name", default="", help="Name of it. Default: the folder that FILE is in.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option(
    "--format", "shape", type=click.Choice(["table", "json"]), default="table", help="How to say what was done."
)
def init(  # noqa: PLR0917  (click passes every option)
    file: Path | None, role: str, way: str, name: str, force: bool, shape: str
) -> None:
    """Write a commented descriptor to FILE (gateway.yaml or worldservice.yaml; - prints it).

    Example: ackgap init gateway.yaml --start image
    """
    file = file or Path(f"{role}.yaml")
    form = load().validator("target").schema["properties"]["name"]["pattern"]  # type: ignore[index]
    if name and not re.search(form, name):
        _usage(
            f"--name {name!r}: expected letters, digits, `.`, `_` and `-`, 64 at most; write for instance acme-gateway"
        )
    if way not in starts(role):
        _usage(f"--start {way}: a {ROLES[role]} is started by {', '.join(starts(role))}; choose one of them")
    text = commented(way, name or _usual_name(file), role)
    if str(file) == "-":
        print(text, end="")
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        _usage(f"{file} is there already; name another file, or replace it with --force")
    except OSError as error:
        _usage(f"{file}: cannot be written: {error.strerror}")
    bus = " --bus kafka://HOST:PORT" if way == "attach" else ""
    following = [
        f"put in what your {ROLES[role]} is called and needs: {file}",
        f"ackgap doctor --target {file}{bus}",
        f"ackgap certify {file}{bus}",
    ]
    if shape == "json":
        print(json.dumps({"file": str(file), "start": way, "next": following}, indent=1))
    else:
        print(
            f"written: {file}\nnext:\n" + "\n".join(f"  {number}. {step}" for number, step in enumerate(following, 1))
        )
    _try(file)


def commented(way: str, name: str, role: str = "gateway") -> str:
    """The text of a descriptor for something of this role that is started in this way."""
    head = (
        f"# How to start and observe one {ROLES[role]}. `{{...}}` is filled by the kit; every key: docs/descriptor.md\n"
        f'ackgap: 1\nname: {json.dumps(name)}\nversion: "1.0"\n'
    )
    if role == "worldservice":
        start = "role: worldservice\nstart:\n" + starts(role)[way]
        return head + start + PROVIDES + (TOPICS if way == "attach" else "")
    head += "start:\n"
    return head + starts(role)[way] + ("" if way == "python" else OBSERVE) + (FIXED if way == "attach" else SETTINGS)


def _usual_name(file: Path) -> str:
    folder = STEM.sub("-", file.absolute().parent.name).strip("-._")
    return folder[:64] or "my-gateway"


def _try(file: Path) -> None:
    """Say at once what is still missing, such as the Dockerfile of a build."""
    try:
        descriptor.load(file, load())
    except ContractError as error:
        print(f"ackgap: still to do: {harmless(str(error))}", file=sys.stderr)


def _usage(message: str) -> None:
    print(f"ackgap: {harmless(message)}", file=sys.stderr)
    sys.exit(int(Exit.USAGE))
