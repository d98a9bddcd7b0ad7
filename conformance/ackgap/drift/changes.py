"""What a change has touched, asked from git: lines of files since a revision, and files that are gone."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ackgap.drift.findings import DriftError, Finding

_FILE = re.compile(r'^\+\+\+ (?:b/(?P<path>.*?)|"b/(?P<quoted>.*)"|/dev/null)\t?$')
_OLD = re.compile(r'^--- (?:a/(?P<path>.*?)|"a/(?P<quoted>.*)"|/dev/null)\t?$')
_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(?P<start>\d+)(?:,(?P<count>\d+))? @@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Touched lines by path, relative to the checked root; for a deletion the lines around it. `gone` files were deleted."""

    lines: dict[str, set[int]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    @property
    def files(self) -> set[str]:
        """All files that were touched."""
        return set(self.lines) | self.whole | self.gone

    def concern(self, finding: Finding) -> bool:
        """Whether a finding lies in what was touched, or its counterpart does."""
        path, line = finding.place.path, finding.place.line
        if path in self.whole or line in self.lines.get(path, ()):
            return True
        if finding.check in {"D4", "D5", "D7"} or finding.code.startswith("D3-lock"):
            return bool(({path} | {place.path for place in finding.related}) & self.files) or self._leads_to_gone(
                finding
            )
        return any(
            place.line in self.lines.get(place.path, ()) or place.path in self.whole for place in finding.related
        )

    def _leads_to_gone(self, finding: Finding) -> bool:
        return finding.code == "D7-link" and any(Path(path).name in finding.message for path in self.gone)


def since(root: Path, revision: str) -> Changes:
    """The changes of the work tree since a revision. Raises DriftError if git or the revision is not to be had."""
    if revision.startswith("-"):
        raise DriftError(f"--since {revision}: is no revision")
    top = Path(_git(root, "rev-parse", "--show-toplevel").strip())
    diff = _git(
        root,
        "-c",
        "core.quotePath=false",
        "diff",
        "--no-color",
        "--no-ext-diff",
        "-U0",
        "--find-renames",
        revision,
        "--",
        ".",
    )
    found = Changes()
    old = new = ""
    for text in diff.split("\n"):
        if before := _OLD.match(text):
            old = _shown(top, root, before["path"] or before["quoted"] or "")
        elif after := _FILE.match(text):
            new = _shown(top, root, after["path"] or after["quoted"] or "")
            if not new and old:
                found.gone.add(old)
        elif new and (hunk := _HUNK.match(text)):
            start, count = int(hunk["start"]), int(hunk["count"] or 1)
            touched = range(start, start + count) if count else range(start, start + 2)
            found.lines.setdefault(new, set()).update(touched)
    for path in _git(
        root, "-c", "core.quotePath=false", "ls-files", "--others", "--exclude-standard", "--full-name", "."
    ).split("\n"):
        if path:
            found.whole.add(_shown(top, root, path))
    return found


def _shown(top: Path, root: Path, path: str) -> str:
    if not path:
        return ""
    absolute = top / path
    try:
        return absolute.relative_to(root.resolve()).as_posix()
    except ValueError:
        return absolute.as_posix()


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  (arguments are ours but for the revision, which git is told to take as one)
            ["git", *arguments],  # noqa: S607
            cwd=root,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DriftError(f"--since needs git, which cannot be run: {error}") from error
    if done.returncode != 0:
        reason = done.stderr.decode("utf-8", "replace").strip().split("\n")[0][:200]
        raise DriftError(f"--since: git says: {reason}")
    return done.stdout.decode("utf-8", "replace")
