"""The words of schedules, each with what it is in a scenario file: odd deliveries, noise, and answers to a resync."""

from typing import Any

Answers = list[dict[str, Any]]

HONEST, AHEAD, SAME_ETAG, OTHER = "honest", "ahead", "same_etag", "other_content"

# How an event may be delivered besides plainly. `other_content` is meant for a repeat: it says the opposite.
VARIANTS = (OTHER, "flat", "unknown_fields", SAME_ETAG, "version_7")

# Records that no Gateway may apply as a sequenced event, and manual overrides.
NOISES = (
    "garbage",
    "sequence_as_text",
    "sequence_true",
    "run_missing",
    "override_unfreeze",
    "override_freeze",
    "override_numbered",
)

_PROBE_ONLY: dict[str, dict[str, Any]] = {
    "probe_refused": {"failure": "refused"},
    "probe_unavailable": {"status": 503},
    "probe_malformed": {"text": "{"},
}
_FETCH_ONLY: dict[str, dict[str, Any]] = {
    "fetch_refused": {"failure": "refused"},
    "fetch_unavailable": {"status": 503},
    "fetch_cut": {"failure": "cut"},
    "fetch_malformed": {"change": {"state": [1, 2]}},
    "wrong_world": {"change": {"world_id": "another-world"}},
    "wrong_run": {"change": {"run_id": "another-run"}},
    "without_run": {"drop": ["run_id"]},
    "without_sequence": {"drop": ["sequence"]},
    "hash_mismatch": {"change": {"state_hash": "h-of-no-probe"}},
}

# How the WorldService answers the next resync; after it, honestly again. `down` lasts; `ahead`: it has emitted all.
OUTCOMES = (HONEST, AHEAD, "down", *_PROBE_ONLY, *_FETCH_ONLY)


def answers(outcome: str, first: int) -> tuple[Answers, Answers]:
    """What the WorldService answers to probes and to fetches. `first` is the sequence of the run's first event.

    `truth_K` answers both as they would have been after the K-th event, `probe_truth_K` and `fetch_truth_K` only one.
    """
    if outcome in {HONEST, AHEAD}:
        return [], []
    if outcome == "down":
        return [{"status": 503, "times": 0}], [{"status": 503, "times": 0}]
    if outcome in _PROBE_ONLY:
        return [dict(_PROBE_ONLY[outcome])], []
    if outcome in _FETCH_ONLY:
        return [], [dict(_FETCH_ONLY[outcome])]
    kind, _, number = outcome.rpartition("_")
    at = {"at": first + int(number) - 1}
    return ([at] if kind != "fetch_truth" else []), ([dict(at)] if kind != "probe_truth" else [])


def delivery(how: str, ref: str, event: str) -> Any:
    """One item of a `deliver` step. `event` is verb and entry, such as `freeze alpha/long`."""
    if how == OTHER:
        opposite = {"freeze": True, "drain": False, "active": False, "phase": "freeze", "etag": "forged"}
        if not event.startswith("unfreeze"):
            opposite = {"freeze": False, "drain": False, "active": True, "phase": "unfreeze", "etag": "forged"}
        return {"event": ref, "change": opposite}
    if how == "flat":
        return {"event": ref, "form": "flat"}
    if how == "unknown_fields":
        return {"event": ref, "add": {"x_note": "unknown", "priority": 7}}
    if how == "version_7":
        return {"event": ref, "change": {"version": 7}}
    return ref


def noise(what: str, ref: str, stream: str, world: str) -> dict[str, Any]:
    """One step that delivers a record of that kind."""
    if what == "garbage":
        return {"invalid": {"text": "{", "world": world}}
    if what == "override_numbered":
        number = int(ref.rpartition(".")[2])
        change = {"sequence": number, "phase": "freeze"}
        return {"unsequenced": {"stream": stream, "phase": "freeze", "change": change}}
    if what.startswith("override_"):
        return {"unsequenced": {"stream": stream, "phase": what.removeprefix("override_")}}
    number = int(ref.rpartition(".")[2])
    wrong: dict[str, dict[str, Any]] = {
        "sequence_as_text": {"sequence": str(number)},
        "sequence_true": {"sequence": True},
        "run_missing": {"drop": ["run_id"]},
    }
    return {"invalid": {"event": ref, "change": wrong[what]}}
