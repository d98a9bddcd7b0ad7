"""The command line. Commands live in `ackgap.commands`."""

import sys

import click

from ackgap.commands.certifying import certify, recheck
from ackgap.commands.contracting import contract
from ackgap.commands.differing import differ
from ackgap.commands.doctoring import doctor
from ackgap.commands.drifting import drift
from ackgap.commands.exploring import explore
from ackgap.commands.initialising import init
from ackgap.commands.looking import explain, requirements, scenarios
from ackgap.commands.pacting import pact
from ackgap.commands.selfchecking import selfcheck
from ackgap.commands.validating import validate
from ackgap.contract import ContractError
from ackgap.harness.blame import Exit


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ackgap")
def cli() -> None:
    """Contract and conformance test kit for the ACK/Gap Resync RFC.

    Exit codes: 0 holds, 1 does not hold, 2 usage or descriptor, 3 target could not be started or died, 4 environment,
    5 fault in the kit, 6 inconclusive, 130 interrupted.
    """


for command in (
    certify,
    recheck,
    contract,
    validate,
    requirements,
    scenarios,
    explain,
    init,
    selfcheck,
    doctor,
    drift,
    explore,
    pact,
    differ,
):
    cli.add_command(command)


def main() -> None:
    """Entry point of the `ackgap` command."""
    try:
        cli(standalone_mode=True)
    except ContractError as error:
        print(f"ackgap: {error}", file=sys.stderr)
        sys.exit(int(Exit.USAGE))
