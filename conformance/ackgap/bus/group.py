"""Further members of a target's consumer group: they take partitions, read nothing, and leave again."""

import asyncio
import threading
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

MEMBERS = 3
POLL_S = 0.05
CHECK_S = 0.1
STABLE_CHECKS = 3


class GroupMembers:
    """`MEMBERS` consumers in the group of somebody else. `common` are the settings that reach the brokers."""

    def __init__(self, *, common: dict[str, Any], group: str, topic: str, partitions: int) -> None:
        self.common, self.group, self.topic, self.partitions = common, group, topic, partitions
        self.stopping = threading.Event()
        self.held: list[set[int]] = [set() for _ in range(MEMBERS)]
        self.threads: list[threading.Thread] = []

    async def join(self, bound_s: float) -> tuple[int, ...]:
        """Join. Returns the partitions taken from the target; none if the group shows no other member in time."""
        for place in range(MEMBERS):
            thread = threading.Thread(target=self._run, args=(place,), name=f"ackgap-member-{place}", daemon=True)
            thread.start()
            self.threads.append(thread)
        deadline = asyncio.get_running_loop().time() + bound_s
        before: tuple[int, ...] = ()
        same = 0
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(CHECK_S)
            taken = tuple(sorted(set().union(*self.held)))
            shared = all(self.held) and len(taken) < self.partitions
            same = same + 1 if shared and taken == before else 0
            before = taken
            if same >= STABLE_CHECKS:
                return taken
        return ()

    async def leave(self) -> None:
        """Leave the group; the target gets its partitions back."""
        self.stopping.set()
        for thread in self.threads:
            await asyncio.to_thread(thread.join, 10.0)
        self.threads.clear()

    def _run(self, place: int) -> None:
        consumer = Consumer(
            {
                **self.common,
                "group.id": self.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "partition.assignment.strategy": "range,roundrobin",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 500,
            }
        )

        def assigned(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self.held[place] = {p.partition for p in partitions}
            consumer.pause(partitions)

        def revoked(_: Consumer, partitions: list[TopicPartition]) -> None:
            self.held[place] = set()

        try:
            consumer.subscribe([self.topic], on_assign=assigned, on_revoke=revoked)
            while not self.stopping.is_set():
                consumer.poll(POLL_S)
        except KafkaException:
            self.held[place] = set()
        finally:
            consumer.close()
