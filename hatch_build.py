"""Build hook: compiles the embedded broker into the wheel, which then is one for this platform."""

import importlib.util
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BrokerHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the broker's binary where a Go toolchain is to be had; without one the wheel is pure."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the binary and mark the wheel as platform specific; editable installs build it themselves."""
        if self.target_name != "wheel" or version == "editable":
            return
        path = Path(self.root) / "conformance" / "ackgap" / "broker" / "build.py"
        spec = importlib.util.spec_from_file_location("ackgap_broker_build", path)
        if spec is None or spec.loader is None:
            return
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        problem = module.build()
        if problem:
            self.app.display_warning(f"embedded broker left out: {problem}")
            return
        build_data["force_include"][str(module.BINARY)] = f"ackgap/broker/bin/{module.NAME}"
        build_data["force_include"][str(module.STAMP)] = "ackgap/broker/bin/sources.sha256"
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
