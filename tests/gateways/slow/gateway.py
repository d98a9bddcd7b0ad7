"""A slow but right Gateway: the reference, which reads once a second and needs 400 ms for every event of a partition."""

import asyncio
import os
import time

from ackgap_reference.service import app, main

POLL_S = float(os.environ.get("SLOW_POLL_S", "1.0"))
EVENT_S = float(os.environ.get("SLOW_EVENT_S", "0.4"))


class SlowService(app.GatewayService):
    def __init__(self, settings):
        super().__init__(settings)
        self.queues: dict[int, asyncio.Queue] = {}
        self.workers = []

    def _batch(self, messages):
        for message in messages:
            partition = message.partition()
            if partition not in self.queues:
                self.queues[partition] = asyncio.Queue()
                self.workers.append(asyncio.create_task(self._work(self.queues[partition])))
            self.queues[partition].put_nowait(message)

    async def _work(self, queue):
        while True:
            await asyncio.sleep(POLL_S - time.monotonic() % POLL_S)
            while not queue.empty():
                await asyncio.sleep(EVENT_S)
                super()._batch([queue.get_nowait()])


app.GatewayService = SlowService

main.main()
