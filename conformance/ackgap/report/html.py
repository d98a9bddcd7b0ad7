"""report.html: the report as one page that needs nothing else, no script and no network.

Whatever a target has sent is escaped by the template engine, after control characters were made visible.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ackgap.report.terminal import STYLES, bug_report, harmless


def render(report: dict[str, Any]) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("ackgap.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
    )
    notes = [*report["notes"]]
    if fallback := report["environment"].get("bus_fallback"):
        notes.append(fallback)
    if shortened := report.get("question", {}).get("gap_timeout_ms"):
        notes.append(f"run with a gap timeout of {shortened} ms: no certificate of the default")
    defaults = {"target": {"given": "", **report["target"]}}
    page = environment.get_template("page.html.j2")
    return page.render(r={**report, **defaults}, notes=notes, verdicts=tuple(STYLES), bug_report=bug_report)


def _visible(value: Any) -> Any:
    """What is escaped already stays so."""
    if isinstance(value, Markup):
        return Markup(harmless(value))  # noqa: S704  (it was escaped by the engine)
    return harmless(value) if isinstance(value, str) else value


def write(report: dict[str, Any], path: Path) -> None:
    """Write the page."""
    path.write_text(render(report), encoding="utf-8")
