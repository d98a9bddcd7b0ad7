"""The monitors, one per requirement group, in the order in which they are told of things."""

from ackgap.oracle.ack import AckMonitor
from ackgap.oracle.cfg import CfgMonitor
from ackgap.oracle.dup import DupMonitor
from ackgap.oracle.flt import FltMonitor
from ackgap.oracle.gap import GapMonitor
from ackgap.oracle.gate import GateMonitor
from ackgap.oracle.monitor import Monitor
from ackgap.oracle.msg import MsgMonitor
from ackgap.oracle.obs import ObsMonitor
from ackgap.oracle.order import OrdMonitor
from ackgap.oracle.run import RunMonitor
from ackgap.oracle.sync import SyncMonitor

MONITORS: tuple[type[Monitor], ...] = (
    MsgMonitor, AckMonitor, OrdMonitor, DupMonitor, GapMonitor, SyncMonitor, GateMonitor, RunMonitor, CfgMonitor,
    FltMonitor, ObsMonitor,
)  # fmt: skip
