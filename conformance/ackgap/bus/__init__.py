"""ControlBus transports: the embedded broker, librdkafka's mock cluster, and any existing Kafka."""

from ackgap.bus.opening import open_bus
from ackgap.bus.transport import Bus, BusError, Record, partition_of

__all__ = ["Bus", "BusError", "Record", "open_bus", "partition_of"]
