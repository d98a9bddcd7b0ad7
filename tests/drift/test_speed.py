"""The cost of the gate grows with the text and not faster; `make bench` has the figures for 20 MB."""

import time

from tests.drift.volume import write_documents


def test_the_cost_is_linear(documents, capsys):
    times = []
    for count in (1, 6, 24):
        folder = documents.root / str(count)
        folder.mkdir()
        size = write_documents(folder, count=count, size=10_000, unique=True)
        began = time.perf_counter()
        report = documents.run("D1", "D2", "D3", "D7", paths=(str(count),))
        times.append((time.perf_counter() - began, size))
        assert report.documents == count
        assert report.holds
    start = times[0][0]
    small, large = times[1][0] - start, times[2][0] - start
    with capsys.disabled():
        rate = times[2][1] / times[2][0] / 1e6
        print(
            f"\n  four times the text takes {large / small:.1f} times as long; {rate:.2f} MB/s of sentences all different",
            end="",
        )
    assert large < small * 12
