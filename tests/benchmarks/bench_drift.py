"""How long the document gate takes for 500 documents, 20 MB in all."""

import pytest
from tests.drift.volume import write_documents

from ackgap.drift.config import Config
from ackgap.drift.gate import run


@pytest.mark.timeout(400)
@pytest.mark.parametrize("unique", [False, True], ids=["sentences that recur", "sentences all different"])
def test_500_documents(benchmark, tmp_path, unique):
    size = write_documents(tmp_path, count=500, size=35_000, unique=unique)
    report = benchmark.pedantic(run, args=(Config(root=tmp_path), [tmp_path]), rounds=1)
    benchmark.extra_info.update(megabytes=round(size / 1e6, 1), documents=report.documents)
    assert report.documents == 500
    assert report.holds
