"""The evidence bundle: everything that is needed to judge a run again, in one zip that shows any change.

The manifest is written last. Behind it, as the comment of the archive, stands the sha256 of every byte before it: a
bundle that was cut off or altered by a single byte is refused.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
MANIFEST = "manifest.json"
SEAL = b"ackgap-bundle sha256 "
DIGITS = 64
PART_LIMIT = 2 << 30


class BundleError(ValueError):
    """A bundle that cannot be trusted; the message tells why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a bundle."""

    name: str
    source: Path | bytes


def write(path: Path, parts: list[Part]) -> None:
    """Write a bundle of these parts, sealed."""
    entries = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            data = part.source if isinstance(part.source, bytes) else part.source.read_bytes()
            archive.writestr(part.name, data)
            entries.append({"name": part.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        manifest = {"format": FORMAT, "parts": entries}
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        archive.comment = SEAL + b"0" * DIGITS
    data = path.read_bytes()
    path.write_bytes(data[:-DIGITS] + hashlib.sha256(data[:-DIGITS]).hexdigest().encode())


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose seal and parts were found intact."""

    data: bytes
    names: tuple[str, ...]

    def read(self, name: str) -> bytes:
        """One part. Raises BundleError if it is not there."""
        if name not in self.names:
            raise BundleError(f"the bundle has no part {name}")
        with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
            return archive.read(name)

    def json(self, name: str) -> Any:
        """One part as JSON."""
        return json.loads(self.read(name))

    def lines(self, name: str) -> Iterator[str]:
        """One part line by line."""
        return iter(self.read(name).decode("utf-8").splitlines())


def open_bundle(path: Path) -> Bundle:
    """Open a bundle and check it whole. Raises BundleError with the reason for refusing it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) < DIGITS + len(SEAL) or data[-DIGITS - len(SEAL) : -DIGITS] != SEAL:
        raise BundleError(f"{path}: it was cut off, or is no bundle: its seal is missing")
    if hashlib.sha256(data[:-DIGITS]).hexdigest().encode() != data[-DIGITS:]:
        raise BundleError(f"{path}: it was altered: its bytes do not match its seal")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            if manifest.get("format") != FORMAT:
                raise BundleError(f"{path}: format {manifest.get('format')} is unknown; this kit reads {FORMAT}")
            for part in manifest["parts"]:
                _check(archive, part, path)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{path}: it is damaged: {error}") from error
    return Bundle(data, tuple(part["name"] for part in manifest["parts"]))


def _check(archive: zipfile.ZipFile, part: dict[str, Any], path: Path) -> None:
    if archive.getinfo(part["name"]).file_size > PART_LIMIT:
        raise BundleError(f"{path}: {part['name']} is larger than {PART_LIMIT >> 30} GiB")
    content = archive.read(part["name"])
    if len(content) != part["size"] or hashlib.sha256(content).hexdigest() != part["sha256"]:
        raise BundleError(f"{path}: {part['name']} does not match the manifest")
