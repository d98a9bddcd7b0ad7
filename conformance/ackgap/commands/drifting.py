"""`ackgap drift`: do documents, schemas and services still say the same."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from ackgap.contract import ContractError
from ackgap.drift.baseline import write_baseline
from ackgap.drift.config import CHECKS, Config, Service, find_config, load_config
from ackgap.drift.findings import DriftError
from ackgap.drift.gate import Report, run
from ackgap.drift.lock import write_lock
from ackgap.drift.output import ci, data, terminal
from ackgap.drift.output.codes import CODES
from ackgap.drift.reading import load_rules
from ackgap.drift.specifications import ServiceError
from ackgap.harness.blame import Exit
from ackgap.report.terminal import harmless

SHAPES = ("terminal", "json", "sarif", "github", "junit")
HERE = Path()


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="Instead of the nearest ackgap-drift.yaml."
)
@click.option("--check", "checks", multiple=True, type=click.Choice(CHECKS), help="Only these checks; repeatable.")
@click.option("--contract", type=click.Path(path_type=Path), help="Contract folder instead of the one that ships.")
@click.option("--format", "shape", type=click.Choice(SHAPES), default="terminal", help="How to print what was found.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write it to a file and only a summary to the terminal."
)
@click.option(
    "--since", "revision", metavar="REV", help="Only what changed since a git revision, and its counterparts."
)
@click.option("--baseline", type=click.Path(path_type=Path), help="Findings that are known and not reported again.")
@click.option("--update-baseline", is_flag=True, help="Write all present findings to the baseline.")
@click.option("--update-lock", is_flag=True, help="After review: write what the documents state to the lock.")
@click.option(
    "--service", "services", multiple=True, metavar="URL", help="A running service's specification; repeatable."
)
@click.option("--quiet", is_flag=True, help="Findings only, no notes, no summary.")
@click.option("--list-codes", is_flag=True, help="Print all codes with their meaning.")
def drift(
    *,
    paths: tuple[Path, ...],
    config_path: Path | None,
    checks: tuple[str, ...],
    contract: Path | None,
    shape: str,
    output: Path | None,
    revision: str | None,
    baseline: Path | None,
    update_baseline: bool,
    update_lock: bool,
    services: tuple[str, ...],
    quiet: bool,
    list_codes: bool,
) -> None:
    """Check that documents, specifications, configuration and code still say what the contract says.

    Without PATH the folder of ackgap-drift.yaml is checked, or this one. Exit code 0: no drift, 1: drift, 2: usage.

    Example: ackgap drift docs --format github
    """
    if list_codes:
        for code, meaning in CODES.items():
            print(f"{code:18}{meaning}")
        return
    try:
        config = _config(paths, config_path)
        config = replace(
            config,
            checks=checks or config.checks,
            contract=contract or config.contract,
            services=(*config.services, *(_service(url) for url in services)),
            baseline=None if update_baseline else baseline or config.baseline,
            lock=None if update_lock else config.lock,
        )
        if update_lock and "D3" not in config.checks:
            raise DriftError("--update-lock needs the check D3")
        report = run(config, paths or (config.root,), revision=revision)
        if update_lock:
            report = _lock(report, config, config_path, paths)
        if update_baseline:
            report = _baseline(
                report,
                baseline or _configured_baseline(paths, config_path) or config.root / "ackgap-drift.baseline.json",
            )
        _print(report, config, shape, output, quiet=quiet)
    except (DriftError, ContractError) as error:
        _stop(error, Exit.USAGE)
    except ServiceError as error:
        _stop(error, Exit.ENVIRONMENT)
    sys.exit(int(Exit.HOLDS if report.holds else Exit.DOES_NOT_HOLD))


def _config(paths: tuple[Path, ...], given: Path | None) -> Config:
    if given is not None:
        return load_config(given)
    start = HERE.resolve()
    nearest = find_config(start)
    if nearest is None and len(paths) == 1 and paths[0].is_dir():
        nearest = find_config(paths[0].resolve())
        start = paths[0].resolve() if nearest or not paths[0].resolve().is_relative_to(start) else start
    return load_config(nearest) if nearest else Config(root=start)


def _service(url: str) -> Service:
    if not url.startswith(("http://", "https://")):
        raise DriftError(f"--service {url}: expected an address such as http://127.0.0.1:8000/openapi.json")
    return Service(url=url)


def _configured_baseline(paths: tuple[Path, ...], given: Path | None) -> Path | None:
    return _config(paths, given).baseline


def _lock(report: Report, config: Config, given: Path | None, paths: tuple[Path, ...]) -> Report:
    """Write the lock; what contradicts the contract is never locked. Lock findings are settled by it."""
    if paths and [p.resolve() for p in paths] != [config.root]:
        raise DriftError("--update-lock writes the lock of the whole repository: run it without PATH")
    path = _config(paths, given).lock_path
    rules = load_rules(config.contract)
    count = write_lock(path, report.statements, rules.norms, rules.contract)
    print(f"{path}: {count} places locked", file=sys.stderr)
    return replace(report, findings=tuple(f for f in report.findings if not f.code.startswith("D3-lock")))


def _baseline(report: Report, path: Path) -> Report:
    count = write_baseline(path, report.findings)
    print(f"{path}: {count} findings are known from now on", file=sys.stderr)
    return replace(report, findings=tuple(f for f in report.findings if f.level == "note"), known=count)


def _print(report: Report, config: Config, shape: str, output: Path | None, *, quiet: bool) -> None:
    if shape == "terminal" and output is None:
        terminal.show(report, Console(), quiet=quiet, notes=not quiet)
        return
    match shape:
        case "json":
            text = json.dumps(data.as_json(report), indent=1, ensure_ascii=False) + "\n"
        case "sarif":
            text = json.dumps(data.as_sarif(report, config.root), indent=1, ensure_ascii=False) + "\n"
        case "github":
            text = "".join(line + "\n" for line in ci.annotations(report))
        case "junit":
            text = ci.junit(report)
        case _:
            text = _plain(report)
    text = text.encode("utf-8", "replace").decode()
    if output is None:
        print(text, end="")
    else:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise DriftError(f"{output}: cannot be written: {error.strerror}") from error
        if not quiet:
            print(terminal.summary(report))


def _plain(report: Report) -> str:
    written = io.StringIO()
    terminal.show(report, Console(file=written, width=120, no_color=True))
    return written.getvalue()


def _stop(error: Exception, code: Exit) -> None:
    print(f"ackgap: {harmless(str(error))}", file=sys.stderr)
    sys.exit(int(code))
