"""Right Gateways with other habits than the reference: what the judge must not convict.

Each does something that the contract allows and that the reference does not do. `ackgap selfcheck` and the soak tests
play them; a conviction of one of them is a fault of the judge.
"""

from ackgap_reference.strange import acking, asking, recovering, showing
from ackgap_reference.variant import Variant

CATALOGUE: dict[str, Variant] = {
    strange.name: strange for strange in (*acking.STRANGE, *asking.STRANGE, *recovering.STRANGE, *showing.STRANGE)
}


def __getattr__(name: str) -> Variant:
    """`ackgap_reference.strange:NAME` is a core factory."""
    try:
        return CATALOGUE[name]
    except KeyError:
        raise AttributeError(name) from None
