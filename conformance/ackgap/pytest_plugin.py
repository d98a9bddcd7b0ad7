"""The pytest plugin: options, the items of `ackgap.suite`, and fixtures for tests of one's own.

It is loaded into every pytest session of an environment that has the kit, so it imports nothing of the kit until asked.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ackgap.certify import Certified
    from ackgap.testing.live import LiveBus, LiveSession, LiveTarget, LiveWorldService

SUITE = Path(__file__).with_name("suite.py")
SHARED = "ackgap_shared"  # folder that xdist workers share one run by


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; they mean what those of `ackgap certify` mean."""
    group = parser.getgroup("ackgap", "conformance of a Gateway (ackgap)")
    group.addoption(
        "--ackgap-target",
        metavar="TARGET",
        default="",
        help="descriptor.yaml, reference, reference:NAME or reference-worldservice.",
    )
    group.addoption(
        "--ackgap-profile",
        metavar="NAME",
        action="append",
        default=[],
        help="Profile; repeatable. Default: resync, or core for a WorldService.",
    )
    group.addoption("--ackgap-bus", metavar="BUS", default="", help="embedded, mock, container or kafka://HOST:PORT.")
    group.addoption("--ackgap-kafka-image", metavar="IMAGE", default="", help="Image of --ackgap-bus container.")
    group.addoption(
        "--ackgap-scenario", metavar="GLOB|FILE", action="append", default=[], help="Play only these; repeatable."
    )
    group.addoption("--ackgap-waivers", metavar="FILE", default="", help="File of known failures.")
    group.addoption("--ackgap-out", metavar="DIR", default="", help="Folder for the results. Default: ackgap-out/NAME.")
    group.addoption("--ackgap-jobs", metavar="N", type=int, default=0, help="Scenarios played at the same time.")
    group.addoption("--ackgap-seed", metavar="N", type=int, default=1, help="Seed of the generated scenarios.")
    group.addoption(
        "--ackgap-gap-timeout-ms", metavar="MS", type=int, default=0, help="Shorter timeout for local loops."
    )
    group.addoption("--ackgap-contract", metavar="FOLDER", default="", help="Judge by this contract folder.")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "ackgap(resync_enforced=True, gap_timeout_ms=N): the settings that the fixture ackgap_target is started with.",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The suite, when its file is met."""
    if file_path.name != SUITE.name or file_path != SUITE:
        return None
    from ackgap.testing.items import Suite  # noqa: PLC0415

    return Suite.from_parent(parent, path=file_path, nodeid="ackgap.suite")


def pytest_report_header(config: pytest.Config) -> str | None:
    """What is going to be certified."""
    target = config.getoption("--ackgap-target")
    if not target:
        return None
    profiles = ", ".join(config.getoption("--ackgap-profile"))
    return f"ackgap: target {target}, {'profile ' + profiles if profiles else 'usual profile'}; the first item of the suite plays all of it"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Profiles, and where the evidence is."""
    if not config.getoption("--ackgap-target"):
        return
    from ackgap.testing.shared import summary  # noqa: PLC0415

    for line in summary(config):
        terminalreporter.write_line(line)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist starts a worker: tell it the folder by which all of them share one run."""
    config: pytest.Config = node.config
    if config.getoption("--ackgap-target"):
        if not hasattr(config, SHARED):
            setattr(config, SHARED, tempfile.mkdtemp(prefix="ackgap-"))
        node.workerinput[SHARED] = getattr(config, SHARED)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the shared folder."""
    if hasattr(config, SHARED):
        shutil.rmtree(getattr(config, SHARED), ignore_errors=True)


@pytest.fixture(scope="session")
def _ackgap_session(request: pytest.FixtureRequest) -> Iterator[LiveSession]:
    """The broker and the event loop that the fixtures below share."""
    from ackgap.testing.live import LiveSession  # noqa: PLC0415
    from ackgap.testing.shared import in_words, order_of  # noqa: PLC0415

    with in_words():
        session = LiveSession(order_of(request.config, target="reference"))
        session.start()
    yield session
    session.close()


@pytest.fixture(scope="session")
def ackgap_bus(_ackgap_session: LiveSession) -> LiveBus:
    """A running Kafka: by default the embedded broker of the kit. See `ackgap.testing.live.LiveBus`."""
    return _ackgap_session.bus


@pytest.fixture
def ackgap_worldservice(_ackgap_session: LiveSession) -> Iterator[LiveWorldService]:
    """A scripted WorldService over HTTP. See `ackgap.testing.live.LiveWorldService`."""
    from ackgap.testing.shared import in_words  # noqa: PLC0415

    with in_words():
        service = _ackgap_session.worldservice()
    yield service
    service.close()


@pytest.fixture
def ackgap_target(
    request: pytest.FixtureRequest, _ackgap_session: LiveSession, ackgap_worldservice: LiveWorldService
) -> Iterator[LiveTarget]:
    """The target of --ackgap-target (without it the reference), started and ready. See `ackgap.testing.live.LiveTarget`."""
    from ackgap.testing.shared import in_words  # noqa: PLC0415

    marker = request.node.get_closest_marker("ackgap")
    with in_words():
        target = _ackgap_session.target(ackgap_worldservice, **(marker.kwargs if marker else {}))
    yield target
    target.close()


@pytest.fixture
def ackgap_certify(request: pytest.FixtureRequest) -> Callable[..., Certified]:
    """Call it to certify: `ackgap_certify(scenarios=("gap-*",)).report`; options of the session are the defaults.

    Takes the fields of `ackgap.certify.Order`, all of them optional.
    """
    from ackgap.testing.shared import certify_with  # noqa: PLC0415

    return certify_with(request.config)
