"""Two bugs at once: neither may hide the other."""

from ackgap_reference.faulty import gaps, messages, ordering, recovery, resyncing
from ackgap_reference.faulty.fault import Faulty


class BaselineAndDuplicates(ordering.Baseline, ordering.AppliesDuplicates):
    pass


class GapOpenAndRunKey(ordering.GateKnowsNoGap, messages.KeyIsRun):
    pass


class MismatchAndStale(resyncing.AcceptsHashMismatch, resyncing.AcceptsStale):
    pass


class NeverProbesAndUnknownOpen(resyncing.NeverProbes, ordering.AlwaysUnknownOpen):
    pass


class ForgetsBufferAndEtags(ordering.ForgetsBuffer, messages.EtagIsIdentity):
    pass


class FirstGapAndFailures(gaps.FirstGapUnguarded, recovery.ThirdFailureIsSuccess):
    pass


FAULTY = (
    Faulty(
        name="pair-baseline-duplicates",
        sentence="Takes what it sees first as its baseline and applies duplicates.",
        requirement="ORD-02",
        also=("DUP-01",),
        gateway=BaselineAndDuplicates,
    ),
    Faulty(
        name="pair-gap-open-run-key",
        sentence="Its gate knows no gap, and its ACKs have the run as key.",
        requirement="ACK-04",
        also=("GAP-01",),
        gateway=GapOpenAndRunKey,
    ),
    Faulty(
        name="pair-mismatch-stale",
        sentence="Accepts snapshots with a foreign hash and stale ones.",
        requirement="SYNC-09",
        also=("SYNC-10",),
        gateway=MismatchAndStale,
    ),
    Faulty(
        name="pair-silent-unknown-open",
        sentence="Never probes, and the gate of an unknown stream is open.",
        requirement="GAP-04",
        also=("GATE-02",),
        gateway=NeverProbesAndUnknownOpen,
    ),
    Faulty(
        name="pair-buffer-etags",
        sentence="Forgets its buffer and takes equal etags for duplicates.",
        requirement="GAP-02",
        also=("DUP-04",),
        gateway=ForgetsBufferAndEtags,
    ),
    Faulty(
        name="pair-unguarded-impatient",
        sentence="Lets an unfreeze over the first hole and goes on after the third failed resync.",
        requirement="GATE-01",
        also=("SYNC-11",),
        gateway=FirstGapAndFailures,
    ),
)
