"""Right WorldServices with other habits than the reference: what the judge must not convict."""

from ackgap_reference.worldservice.parts import WorldVariant
from ackgap_reference.worldservice.strange import answering, applying, telling

CATALOGUE: dict[str, WorldVariant] = {
    strange.name: strange for strange in (*telling.STRANGE, *applying.STRANGE, *answering.STRANGE)
}
