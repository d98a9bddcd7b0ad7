"""What a faulty Gateway is: the reference with one decision replaced by a wrong one."""

from dataclasses import dataclass

from ackgap_reference.variant import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty(Variant):
    """One wrong Gateway: besides name and sentence the requirement that it breaks, and the tier from which that shows.

    `core_only`: it shows in virtual time only, since the clock of a service cannot be made to jump.
    `tier` is `ack`, `relay`, `gate`, `relay or gate`, `relay and gate`, or `metrics`. `also` names what the second bug of a pair breaks.
    """

    requirement: str
    tier: str = "ack"
    also: tuple[str, ...] = ()
    core_only: bool = False
