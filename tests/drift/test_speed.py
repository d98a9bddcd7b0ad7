"""The cost of the gate grows with the text and not faster; `make bench` has the figures for 20 MB."""

import time

from tests.drift.volume import write_documents

from ackgap.drift.examined import Asked, Examiner
from ackgap.drift.reading import load_rules


def test_the_cost_is_linear(tmp_path, capsys):
    """Processor time of one long document against that of one a fourth as long, all sentences different."""
    rules = load_rules()
    spent = []
    for size in (40_000, 160_000):
        write_documents(tmp_path, count=1, size=size, unique=True)
        job = Asked(
            path="d0.md", text=(tmp_path / "d0.md").read_text(encoding="utf-8"), checks=("D1", "D2", "D3", "D7")
        )
        began = time.process_time()
        Examiner(rules).examine(job)
        spent.append(time.process_time() - began)
    with capsys.disabled():
        print(f"\n  four times the text takes {spent[1] / spent[0]:.1f} times as long", end="")
    assert spent[1] < spent[0] * 10
