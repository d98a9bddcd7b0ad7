"""One mutant against the tests, in a process of its own that is forked from one in which all else is loaded already."""

import importlib
import importlib.abc
import importlib.util
import io
import os
import resource
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from tests.mutation.mutants import ROOT

CPU_SECONDS = 60  # a mutant that computes for longer hangs
SUITES = {
    "oracle": (
        "disputes", "antecedents", "contradiction", "convictions_mended", "races", "outages", "stalls", "measuring",
    ),
    "worldservice": ("worldservice_applies", "worldservice_answers", "worldservice_records"),
    "core": ("stream", "gateway", "mutants"),
}  # fmt: skip
FOLDERS = {"oracle": "tests/oracle", "worldservice": "tests/oracle", "core": "tests/reference"}
# What forked processes may keep: nothing that is mutated is used by it.
KEPT = ("ackgap.contract", "ackgap.history", "tests.mutation")


def kind_of(module):
    """Which tests a module has to withstand."""
    if "/oracle/" not in module:
        return "core"
    return "worldservice" if "/oracle/ws_" in module else "oracle"


def dotted(module):
    """The name under which a source file is imported."""
    return module.partition("/")[2].removesuffix(".py").replace("/", ".").removesuffix(".__init__")


class Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed source."""

    def __init__(self, module, source):
        self.module, self.source = module, source

    def find_spec(self, fullname, path, target=None):
        if fullname != dotted(self.module):
            return None
        submodules = [str((ROOT / self.module).parent)] if self.module.endswith("__init__.py") else None
        spec = importlib.util.spec_from_loader(fullname, self, origin=str(ROOT / self.module))
        spec.submodule_search_locations = submodules
        return spec

    def exec_module(self, module):
        exec(compile(self.source, str(ROOT / self.module), "exec"), module.__dict__)


def forget():
    """Let everything that could hold a part of the unchanged module be imported anew."""
    for name in list(sys.modules):
        ours = name.split(".")[0] in ("ackgap", "ackgap_reference", "tests")
        kept = any(name == k or name.startswith(k + ".") or k.startswith(name + ".") for k in KEPT)
        if ours and not kept:
            del sys.modules[name]


def outcome(mutant, recorded):
    """Why the mutant is killed, in a few words; "" if it survives."""
    sys.dont_write_bytecode = True
    sys.meta_path.insert(0, Instead(mutant.module, mutant.source))
    forget()
    kind = kind_of(mutant.module)
    try:
        importlib.import_module(dotted(mutant.module))  # at once: pytest's own finder would take the unchanged one
        wrong = recorded.judged() if kind == "oracle" else ""
        if not wrong:
            wrong = suites(kind)
        return wrong or (recorded.played() if kind == "core" else "")
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]


def suites(kind):
    """The first test that fails, or ""."""
    files = [f"{FOLDERS[kind]}/test_{name}.py" for name in SUITES[kind]]
    files = [name for name in files if (ROOT / name).exists()]
    failed = Failed()
    arguments = ["-q", "-x", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:randomly", *files]
    code = pytest.main(arguments, plugins=[failed])
    return failed.name or ("" if code == 0 else f"the tests ended with {code}")


class Failed:
    """Notes the first failure."""

    name = ""

    def pytest_runtest_logreport(self, report):
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report):
        if report.failed and not self.name:
            self.name = f"loading {report.nodeid}"


def child(mutant, recorded, pipe):
    """Try a mutant and say through the pipe how it went."""
    os.setsid()
    os.chdir(ROOT)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        word = outcome(mutant, recorded)
    pipe.send(word)
    os._exit(0)
