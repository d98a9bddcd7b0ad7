"""Reaches the container engine. testcontainers and the engine's client are imported only when they are needed."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient

ENGINE_TIMEOUT_S = 20
START_ENGINE = "start a Docker engine, or set DOCKER_HOST to the address of one"


class EngineError(Exception):
    """The container engine cannot be used: the environment is to blame. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def engine() -> "DockerClient":
    """A client of the engine that answers. Raises EngineError."""
    prepare()
    import docker  # noqa: PLC0415
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=ENGINE_TIMEOUT_S)
        client.ping()
    except (DockerException, OSError) as error:
        raise EngineError(f"no container engine answers: {first_line(error)}", START_ENGINE) from error
    return client


def prepare() -> None:
    """Tell testcontainers how the kit works: it cleans up by itself, and looks for what it waits for ten times a second."""
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
    os.environ.setdefault("TC_HOST", "127.0.0.1")
    os.environ.setdefault("TC_POOLING_INTERVAL", "0.1")


def fetch(client: "DockerClient", image: str) -> None:
    """Make sure that the engine has an image, asking its registry only if it has not. Raises EngineError."""
    from docker.errors import DockerException, ImageNotFound  # noqa: PLC0415

    try:
        client.images.get(image)
    except ImageNotFound:
        try:
            client.images.pull(image)
        except (DockerException, OSError) as error:
            raise EngineError(
                f"image {image} is not there and cannot be pulled: {first_line(error)}",
                "check its name, or build or load it first",
            ) from error


def first_line(error: BaseException) -> str:
    """The one line of an engine's error that tells something."""
    explanation: Any = getattr(error, "explanation", None)
    said = str(explanation or error).strip()
    return (said.splitlines() or [type(error).__name__])[0][:300]
