"""Documents in bulk, for figures of speed."""

import random
from pathlib import Path

SENTENCES = (
    "The Gateway applies events in sequence and publishes an ACK after each.",
    "While a gap is open the order gate stays closed and no unfreeze is applied.",
    "`activation_gap_timeout_ms` defaults to 3000, that is 3 s.",
    "Gateway는 gap timeout 후 `state_hash`를 확인하고 필요하면 snapshot을 조회한다.",
    "재동기화에 성공하기 전까지 unfreeze를 적용하지 않는다.",
    "This paragraph speaks of dashboards, colours and other things that the contract does not know.",
    "Deployments are described elsewhere; ask the team that owns the cluster if anything is unclear.",
)
TABLE = "| a | b | c |\n| - | - | - |\n| `GET /worlds/{world_id}/activation/state_hash` | first | `control.activation.ack` |\n"


def write_documents(folder: Path, *, count: int, size: int, unique: bool = False) -> int:
    """Documents of about `size` characters each; returns the bytes in all. `unique` makes every sentence differ."""
    chance = random.Random(count)
    total = 0
    for number in range(count):
        parts, length = [f"# Document {number}\n"], 0
        while length < size:
            words = chance.choices(SENTENCES, k=5)
            if unique:
                words = [f"{word[:-1]} in case {chance.randrange(10**9)}." for word in words]
            parts.append(f"## Section {len(parts)}\n\n{' '.join(words[:4])}\n\n- {words[4]}\n\n{TABLE}")
            length += len(parts[-1])
        text = "\n".join(parts)
        total += len(text.encode())
        (folder / f"d{number}.md").write_text(text, encoding="utf-8")
    return total
