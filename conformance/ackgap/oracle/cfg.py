"""CFG: what the flag and the timeout change. (CFG-03 is judged with the other timers, in `gap`.)"""

from ackgap.oracle.monitor import Claim, Monitor


class CfgMonitor(Monitor):
    """Tolerates: probes with the flag off; they force nothing as long as nothing is applied on their strength."""

    group = "CFG"
    missing = (Claim(40, "CFG-02", lambda s: s.event is not None and s.event.via == "late_fill"),)
    premature = (Claim(30, "CFG-01", lambda s: s.timed_out and not s.instance.resync_enforced),)
    gate_open = (Claim(40, "CFG-01", lambda s: s.gap_read and s.timed_out and not s.instance.resync_enforced),)
