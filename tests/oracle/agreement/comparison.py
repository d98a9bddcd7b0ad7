"""Where the two judges must agree.

The streaming judge gives every violation to one requirement, the one that fits best, and does not judge a stream any
further once something was applied too early. The naive judge says of every requirement whether its words are broken.
So: whatever the one convicts, the other must find broken; where the naive judge finds something broken, the other must
convict for it or for another requirement that speaks of the same violation; and no pass without its antecedent.
"""

EARLY = {
    "ORD-01", "ORD-02", "GATE-01", "DUP-03", "GAP-07", "CFG-01", "RUN-01", "RUN-03", "SYNC-07", "SYNC-08", "SYNC-09",
    "SYNC-10", "SYNC-11", "SYNC-14",
}  # fmt: skip
MISSING = {
    "ACK-01", "ACK-08", "MSG-02", "MSG-03", "MSG-05", "MSG-06", "MSG-07", "DUP-04", "GAP-02", "GAP-03", "GAP-07",
    "GAP-08", "CFG-02", "RUN-01", "SYNC-03", "SYNC-10", "SYNC-15",
}  # fmt: skip
OPEN = {
    "GAP-01", "GAP-07", "GATE-02", "GATE-03", "GATE-05", "GATE-06", "GATE-07", "DUP-01", "DUP-02", "RUN-02", "RUN-03",
    "CFG-01", "SYNC-04", "SYNC-07", "SYNC-08", "SYNC-09", "SYNC-10", "SYNC-11", "SYNC-14",
}  # fmt: skip
CLOSED = {"GATE-04", "GATE-06", "DUP-01", "DUP-02", "RUN-02", "SYNC-15"}
TIMERS = {"GAP-04", "GAP-05", "GAP-06", "CFG-03"}
AGAIN = {"DUP-01", "DUP-02", "SYNC-04", "SYNC-10", "SYNC-15", "ORD-03"}
STRAY = {"ACK-02", "ACK-05", "MSG-04", "MSG-07", "SYNC-06", "SYNC-14"}
FAMILIES = (EARLY, MISSING, OPEN, CLOSED, TIMERS, AGAIN, STRAY)

# Passes whose antecedent the naive judge reads more narrowly, with the reason.
NARROWER = {
    "GATE-06": "a snapshot counts for the naive judge only once it had to be taken, or something it covers was ACKed",
    "SYNC-13": "several requests within a scenario show the pace, also if none had failed",
}
# Convictions that the naive judge cannot check: when a snapshot was taken is a guess from outside.
UNCHECKED = {"SYNC-04", "SYNC-05", "SYNC-15"}
# Requirements whose antecedents both judges must see alike, not only those that the streaming judge has counted.
EXACT = ("MSG-01", "ACK-02", "ACK-04", "ACK-06")

WORDS = {"pass": "exercised", "fail": "fail", "not_exercised": "not exercised"}


def relatives(requirement):
    """The requirements that may take a violation instead of this one."""
    return set().union({requirement}, *(family for family in FAMILIES if requirement in family))


def disagreements(streaming, naive):
    """What the two verdicts contradict each other in, in words. Both map requirement ids to verdicts."""
    found = []
    convicted = {r for r, v in streaming.items() if v == "fail"}
    broken = {r for r, v in naive.items() if v == "fail"}
    for r in sorted(convicted - UNCHECKED):
        known = relatives(r) & naive.keys()
        overtaken = r in MISSING and "ACK-03" in broken  # it was missing when a later one had been ACKed
        if known and not known & broken and not overtaken:
            found.append(f"{r}: convicted, but its words are not broken")
    derailed = convicted & EARLY
    doubted = {r for r, v in streaming.items() if v == "inconclusive"}
    for r in sorted(broken - convicted):
        if relatives(r) & doubted:
            continue
        explained = convicted & (STRAY | {"ACK-03"}) and r in MISSING  # it was ACKed, too early or too late
        explained = explained or (
            r in {"GATE-04", "GATE-06"} and convicted & MISSING
        )  # what lacks an ACK need not open
        if not derailed and not explained and not relatives(r) & convicted:
            found.append(f"{r}: broken, but nothing was convicted for it")
    if convicted or broken:
        return found
    for r, word in sorted(naive.items()):
        said = WORDS.get(streaming[r])
        if said == "exercised" and word == "not exercised" and r not in NARROWER:
            found.append(f"{r}: passed without its antecedent")
        if said == "not exercised" and word == "exercised" and r in EXACT:
            found.append(f"{r}: its antecedent was not counted")
    return found
