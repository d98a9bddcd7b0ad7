"""Changes of the requirement catalogue: what is demanded newly, no longer, more or less strongly, or in other words."""

import difflib
import re
from collections.abc import Iterator, Sequence

from ackgap.contract import PROFILES, Contract, Level, Requirement, load
from ackgap.evolution import histories
from ackgap.evolution.change import Change, Effect, Example, Moment
from ackgap.evolution.side import Side

STRENGTH: dict[Level, int] = {"MAY": 0, "SHOULD": 1, "MUST": 2}
REUSED = 0.35  # share of common words below which a sentence says something else altogether
RELYING = "those who rely on certificates"
TEXTS = ("sentence", "antecedent", "convicted_by")
SOURCES = ("section", "basis", "interpretation")


def catalogue_changes(a: Side, b: Side) -> Iterator[Change]:
    """All changes of requirement rows, in the order of the catalogues."""
    before, after = a.contract.requirements, b.contract.requirements
    old_sentences = {_words(r.sentence): r.id for r in before.values()}
    for requirement in [*before, *(r for r in after if r not in before)]:
        old, new = before.get(requirement), after.get(requirement)
        if old is None and new is not None:
            yield _added(a, b, new, old_sentences)
        elif new is None and old is not None:
            yield _removed(a, b, old)
        elif old is not None and new is not None and old != new:
            yield from _changed(a, b, old, new, old_sentences)


def _added(a: Side, b: Side, row: Requirement, old_sentences: dict[tuple[str, ...], str]) -> Change:
    twin = old_sentences.get(_words(row.sentence))
    if twin is not None and twin not in b.contract.requirements:
        effect = Effect(
            who="waivers, pipelines and badges that name it", verdict="breaking", why="ids are permanent: never renamed"
        )
        return Change(area="requirement", kind="renamed", place=_place(row.id), what=f"{twin} is called {row.id} now", effects=(effect,),
                      before=twin, after=row.id, migration="Keep the old id.")  # fmt: skip
    what = f"{row.id} was added ({row.level}, profile {row.profile}, {row.status})"
    return Change(area="requirement", kind="added", place=_place(row.id), what=what, effects=_demanded(a, b, None, row), after=row.sentence,
                  migration="Add it as planned or as a SHOULD first; make it a MUST in the next major version.")  # fmt: skip


def _removed(a: Side, b: Side, row: Requirement) -> Change:
    effects = (
        Effect(
            who="waivers, pipelines and badges that name it",
            verdict="breaking",
            why="ids are permanent: they are never taken out",
        ),
        *_demanded(a, b, row, None),
    )
    return Change(area="requirement", kind="removed", place=_place(row.id), what=f"{row.id} was taken out", effects=effects,
                  before=row.sentence, migration="Keep the row and lower its level to MAY.")  # fmt: skip


def _changed(
    a: Side, b: Side, old: Requirement, new: Requirement, old_sentences: dict[tuple[str, ...], str]
) -> Iterator[Change]:
    if _strength(old) != _strength(new) or old.role != new.role:
        effects = _demanded(a, b, old, new)
        said = ", ".join(
            f"{name} {getattr(old, name)} became {getattr(new, name)}"
            for name in ("level", "profile", "status", "role")
            if getattr(old, name) != getattr(new, name)
        )
        kinds = {e.verdict for e in effects if e.who != RELYING}
        kind = "strengthened" if "breaking" in kinds else "weakened"
        yield Change(area="requirement", kind=kind, place=_place(new.id), what=f"{new.id} was {kind}: {said}", effects=effects,
                     before=_shown(old), after=_shown(new), migration=_advice(kind))  # fmt: skip
    if set(old.tiers) != set(new.tiers):
        yield _tiers(old, new)
    if old.rests_on != new.rests_on:
        effect = Effect(
            who="readers of old evidence", verdict="review", why="which evidence counts for which value changes"
        )
        yield Change(area="requirement", kind="rests on", place=_place(new.id), what=f"{new.id} rests on other constants",
                     effects=(effect,), before=list(old.rests_on), after=list(new.rests_on))  # fmt: skip
    for name in TEXTS:
        if getattr(old, name) != getattr(new, name):
            yield _reworded(old, new, name, old_sentences)
    sources = [name for name in SOURCES if getattr(old, name) != getattr(new, name)]
    if sources:
        effect = Effect(
            who="readers of the documents", verdict="review", why="where it comes from changed; what it demands did not"
        )
        yield Change(area="requirement", kind="source", place=_place(new.id), what=f"{new.id}: {', '.join(sources)} changed",
                     effects=(effect,), before=[getattr(old, n) for n in sources], after=[getattr(new, n) for n in sources])  # fmt: skip


def _reworded(old: Requirement, new: Requirement, name: str, old_sentences: dict[tuple[str, ...], str]) -> Change:
    before, after = getattr(old, name), getattr(new, name)
    twin = old_sentences.get(_words(after)) if name == "sentence" else None
    alike = difflib.SequenceMatcher(a=_words(before), b=_words(after), autojunk=False).ratio()
    if name == "sentence" and ((twin is not None and twin != new.id) or alike < REUSED):
        why = f"it says what {twin} said" if twin else f"only {alike:.0%} of its words are left"
        effects = (
            Effect(
                who="waivers, pipelines and badges that name it",
                verdict="breaking",
                why=f"an id must never get another meaning: {why}",
            ),
            Effect(
                who="those who are certified",
                verdict="unknown",
                why="whether they follow the new sentence was never asked",
            ),
        )
        return Change(area="requirement", kind="reused", place=_place(new.id), what=f"{new.id} seems to mean something else now",
                      effects=effects, before=before, after=after, migration="Keep the old row and give the new sentence a new id.")  # fmt: skip
    why = f"{alike:.0%} of its words are the same; whether it means the same only a person can tell"
    return Change(area="requirement", kind="reworded", place=_place(new.id), what=f"{new.id}: the {name.replace('_', ' ')} was reworded",
                  effects=(Effect(who="everybody", verdict="review", why=why),), before=before, after=after)  # fmt: skip


def _tiers(old: Requirement, new: Requirement) -> Change:
    more = set(new.tiers) > set(old.tiers)
    less = set(new.tiers) < set(old.tiers)
    effects = (
        Effect(who=f"{new.role}s that offer {', '.join(sorted(set(new.tiers) - set(old.tiers))) or 'what they offered'}",
               verdict="unknown" if more or not less else "compatible",
               why="it is judged now where it could not be seen before" if more or not less else "it is judged in fewer cases"),
        Effect(who=RELYING, verdict="compatible" if more else "breaking",
               why="more targets are judged" if more else "a certificate says nothing of it for targets that were judged before"),
    )  # fmt: skip
    return Change(area="requirement", kind="tiers", place=_place(new.id), what=f"{new.id} is seen from other tiers", effects=effects,
                  before=list(old.tiers), after=list(new.tiers))  # fmt: skip


def _demanded(a: Side, b: Side, old: Requirement | None, new: Requirement | None) -> tuple[Effect, ...]:
    """What a change of the demand means to those who have to follow it and to those who rely on it, per profile."""
    row = new or old
    if row is None:
        return ()
    bound = f"{row.role.capitalize().replace('service', 'Service')}s"
    harder = [p for p in PROFILES if _weight(new, p) > _weight(old, p)]
    easier = [p for p in PROFILES if _weight(new, p) < _weight(old, p)]
    if old is not None and new is not None and old.role != new.role:
        return tuple(
            Effect(who=who, verdict="breaking", why="whom the requirement binds was changed")
            for who in (f"{old.role}s", f"{new.role}s")
        )
    if not harder and not easier:
        planned = new is not None and new.status == "planned"
        why = "it is planned: nobody is judged by it yet" if planned else "no profile demands more or less than before"
        return (Effect(who=bound, verdict="compatible", why=why),)
    effects = []
    if harder:
        example = _shown_by(row.id, b.contract, "before", a.contract)
        known = load().requirements.get(row.id)
        judged = known is not None and known.status == "active"
        unseen = "" if judged else "; the judge of this kit does not look for it, so nobody can pass"
        effects.append(Effect(who=bound, verdict="breaking", example=example,
                              why=f"profile {', '.join(harder)} demands it, or demands it more strongly{unseen}"))  # fmt: skip
    else:
        effects.append(Effect(who=bound, verdict="compatible", why="who followed it does so still"))
    if easier:
        example = _shown_by(row.id, a.contract, "after", b.contract)
        effects.append(Effect(who=RELYING, verdict="breaking", example=example,
                              why=f"a certificate for {', '.join(easier)} promises less than it did"))  # fmt: skip
    else:
        effects.append(Effect(who=RELYING, verdict="compatible", why="a certificate promises more"))
    return tuple(effects)


def _shown_by(requirement: str, demanding: Contract, moment: Moment, lenient: Contract) -> Example | None:
    """A faulty Gateway of the kit that breaks it, or a history changed so that it does: wrong by the demanding contract, right by the lenient one."""
    found = histories.by_faulty(requirement, demanding) or histories.by_misconduct(requirement, demanding)
    if found is None:
        return None
    who, conviction = found
    row = lenient.requirements.get(requirement)
    still = f"; by the other contract {'a ' + row.level if row and row.status == 'active' else 'nothing'} is broken in profile {row.profile if row else '-'}"
    example = histories.as_example(conviction, moment, who)
    return Example(
        form=example.form,
        right_under=moment,
        content=example.content,
        said=example.said + still,
        refused_by=example.refused_by,
    )


def _weight(row: Requirement | None, profile: str) -> int:
    """How strongly a profile demands it: 0 not at all, 1 MAY, 2 SHOULD, 3 MUST."""
    if row is None or row.status != "active" or row.profile not in PROFILES[profile]:
        return 0
    return STRENGTH[row.level] + 1


def _strength(row: Requirement) -> Sequence[str]:
    return row.level, row.profile, row.status


def _advice(kind: str) -> str:
    return (
        "Announce it, measure by `ackgap contract impact` who fails, and demand it in the next major version."
        if kind == "strengthened"
        else "Say in the change log what certificates promise no longer."
    )


def _words(sentence: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", sentence.casefold()))


def _shown(row: Requirement) -> dict[str, str]:
    return {"level": row.level, "profile": row.profile, "status": row.status}


def _place(requirement: str) -> str:
    return f"requirements.yaml#{requirement}"
