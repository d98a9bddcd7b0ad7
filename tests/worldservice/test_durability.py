"""The reference WorldService killed, out of disk, with a bad database or a broker that takes nothing."""

import asyncio
import contextlib
import resource
import signal

import aiohttp
import pytest

from tests.worldservice.running import KIND, Running, in_order, running


def test_a_restart_goes_on_where_it_was_and_publishes_nothing_twice_with_other_content(runner, tmp_path):
    async def body():
        async with running(tmp_path) as it:
            await it.apply("w", rehearse={"switch_ms": 500})
            await it.until(lambda: len(it.values("w")) == 2)
            await it.ack("w", "r1", 1)

            async def received():
                return (await it.status("w"))["acks"]["received"]

            assert await it.eventually(received, 1) == 1
            before = await it.status("w")
            snapshot = (await it.ask("GET", "w", "activation"))[1]
            await it.stop(signal.SIGKILL)
            await it.start(REHEARSALS="false")
            assert await it.status("w") == before
            assert (await it.ask("GET", "w", "activation"))[1] == snapshot
            assert (await it.ended("w"))["state"] == "completed"
            await it.until(lambda: len({b["sequence"] for b in it.bodies("w")}) == 4)
            assert len(set(it.values("w"))) == 4
            assert it.told("w") == in_order()
            assert (await it.metrics())['apply_total{result="completed"}'] == 1
            assert await it.stop() == 0

    runner.run(body())


def test_a_disk_that_is_full_ends_the_service_which_then_goes_on_from_what_was_written(runner, tmp_path):
    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    async def body():
        async with running(tmp_path) as it:
            await it.stop()
            await it.start(before=small_disk)
            promised = []
            with contextlib.suppress(aiohttp.ClientError):
                for n in range(500):
                    assert (await it.apply("w", f"r{n}", weight=n / 500))[0] == 202
                    promised.append(f"r{n}")
                    await it.ended("w", f"r{n}")
            assert await asyncio.wait_for(it.process.wait(), 15) == 74
            assert "cannot be written" in (await it.process.stderr.read()).decode()
            await it.start()
            for run in promised[-3:]:
                ended = await it.ended("w", run)
                assert (ended["state"], ended["published"]) == ("completed", 4)
            await it.until(lambda: {(run, n) for run in promised for n in range(1, 5)} <= places(it))
            assert len({v for v in it.values("w")}) == len(places(it))

    def places(it):
        return {(b["run_id"], b["sequence"]) for b in it.bodies("w")}

    runner.run(body())


def test_the_database_belongs_to_one_process_and_a_bad_one_is_refused(runner, tmp_path):
    async def body():
        async with running(tmp_path) as it:
            second = Running(tmp_path)
            second.bus, second.session = it.bus, it.session
            with pytest.raises(AssertionError, match="another process has it open"):
                await second.start()
            assert await second.stop() == 2
            (tmp_path / "other.db").write_text("not a database at all, just some text that is long enough")
            with pytest.raises(AssertionError, match="file is not a database"):
                await second.start(DATABASE=str(tmp_path / "other.db"))
            with pytest.raises(AssertionError, match="ACK_LATE_MS is 'soon'; expected a whole number"):
                await second.start(ACK_LATE_MS="soon")

    runner.run(body())


@pytest.mark.skipif(KIND != "embedded", reason="needs the embedded broker's faults")
def test_a_broker_that_takes_no_freeze_in_time_leads_to_a_rollback_without_a_hole(runner, tmp_path):
    async def body():
        async with running(tmp_path, FREEZE_TIMEOUT_MS="300") as it:
            await it.apply("w", "r0")
            await it.ended("w", "r0")
            await it.bus.control({"do": "fault", "keys": [0], "topic": "activation", "error": 29, "count": -1})
            await it.apply("w", weight=0.9)

            async def state():
                return (await it.status("w"))["state"]

            assert await it.eventually(state, "rolling_back") == "rolling_back"
            await it.bus.control({"do": "clear"})
            ended = await it.ended("w", seconds=30)
            assert (ended["state"], ended["failure"]) == (
                "rolled_back",
                "the bus did not take the freeze events in time",
            )
            await it.until(lambda: len(it.bodies("w", "r1")) == 2)
            assert it.told("w", "r1") == [(1, "freeze", "alpha/long"), (2, "unfreeze", "alpha/long")]
            assert it.bodies("w")[-1]["weight"] == 0.5

    runner.run(body())
