"""OpenAPI changes besides schemas: operations, parameters, answers, media types, headers, security."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ackgap.evolution.change import Change, Effect, Example, Verdict
from ackgap.evolution.flows import METHODS, openapi_files, operation_name, operations, parameters, parties
from ackgap.evolution.leftovers import leftovers
from ackgap.evolution.side import Node, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One operation in both folders, its parties, and how it is called in sentences."""

    a: Side
    b: Side
    old: Node
    new: Node
    server: str
    client: str
    request: str


OPERATION = frozenset(["operationId", "parameters", "responses", "requestBody", "security"])
TOP = frozenset(["paths", "components", "security"])


def http_changes(a: Side, b: Side) -> Iterator[Change]:
    """All changes of the OpenAPI files."""
    for file in openapi_files(a):
        if file in openapi_files(b):
            yield from _file(a, b, file)


def _file(a: Side, b: Side, file: str) -> Iterator[Change]:
    server, client = parties(file)
    yield from leftovers(a.root(file), b.root(file), TOP, "http")
    before = {operation_name(p, m, n): (p, m, n) for p, m, n in operations(a, file)}
    after = {operation_name(p, m, n): (p, m, n) for p, m, n in operations(b, file)}
    by_place = {(p, m): name for name, (p, m, _) in after.items()}
    for name, (path, method, node) in before.items():
        found = after.get(name)
        if found is None and (path, method) in by_place and by_place[path, method] not in before:
            found = after[by_place[path, method]]
            effect = Effect(who="users of generated code", verdict="review", why="generators name functions after it")
            yield Change(area="http", kind="operation id", place=f"{file}#/paths", before=name, after=by_place[path, method],
                         what=f"the operation {method} {path} is called otherwise now", effects=(effect,))  # fmt: skip
        if found is None:
            yield _gone(file, path, method, server, client)
            continue
        if (found[0], found[1]) != (path, method):
            yield _moved(file, (path, method), (found[0], found[1]), server, client)
        pair = Pair(a=a, b=b, old=node, new=found[2], server=server, client=client, request=f"{method} {path}")
        yield from _operation(pair)
    paired = {(p, m) for p, m, _ in before.values()}
    for name, (path, method, _node) in after.items():
        if name not in before and (path, method) not in paired:
            yield _come(file, path, method, server, client)
    yield from _path_items(a, b, file)


def _gone(file: str, path: str, method: str, server: str, client: str) -> Change:
    example = _request(f"{method} {path}", "before", f"no operation {method} {path} is described", file)
    effects = (
        Effect(who=client, verdict="breaking", why="they ask for what is not offered any more", example=example),
        Effect(who=server, verdict="compatible", why="they may go on offering it"),
    )
    return Change(area="http", kind="operation removed", place=f"{file}#/paths", what=f"{method} {path} was taken out", effects=effects,
                  before=f"{method} {path}", migration="Offer it until no client asks for it any more.")  # fmt: skip


def _come(file: str, path: str, method: str, server: str, client: str) -> Change:
    example = _request(f"{method} {path}", "after", f"no operation {method} {path} is described", file)
    effects = (
        Effect(who=server, verdict="breaking", why="they have to offer it, and do not yet", example=example),
        Effect(who=client, verdict="compatible", why="they need not ask for it"),
    )
    return Change(area="http", kind="operation added", place=f"{file}#/paths", what=f"{method} {path} was added", effects=effects,
                  after=f"{method} {path}", migration="Update the servers first; let clients use it afterwards.")  # fmt: skip


def _moved(file: str, old: tuple[str, str], new: tuple[str, str], server: str, client: str) -> Change:
    was, now = f"{old[1]} {old[0]}", f"{new[1]} {new[0]}"
    effects = (
        Effect(who=client, verdict="breaking", why="they ask at the old place",
               example=_request(was, "before", f"no operation {was} is described", file)),
        Effect(who=server, verdict="breaking", why="they answer at the old place only",
               example=_request(now, "after", f"no operation {now} is described", file)),
    )  # fmt: skip
    return Change(area="http", kind="operation moved", place=f"{file}#/paths", what=f"{was} is {now} now", effects=effects, before=was,
                  after=now, migration="Let servers answer at both places until every client asks at the new one.")  # fmt: skip


def _operation(pair: Pair) -> Iterator[Change]:
    old, new = pair.old, pair.new
    yield from leftovers(old, new, OPERATION, "http")
    yield from _parameters(pair)
    yield from _security(pair)
    yield from _body(pair)
    yield from _responses(pair)


def _parameters(pair: Pair) -> Iterator[Change]:
    a, b, old, new = pair.a, pair.b, pair.old, pair.new
    server, client, request = pair.server, pair.client, pair.request
    before, after = parameters(a, old), parameters(b, new)
    for (where, name), node in after.items():
        was = before.get((where, name))
        now_needed = bool(node.schema.get("required"))
        if was is None:
            why = "they do not send it" if now_needed else "they may leave it out"
            example = (
                _request(request, "before", f"the {where} parameter {name} is required", node.file)
                if now_needed
                else None
            )
            effects = (
                Effect(who=client, verdict="breaking" if now_needed else "compatible", why=why, example=example),
                Effect(who=server, verdict="compatible", why="servers ignore parameters that they do not know"),
            )
            yield Change(area="http", kind="parameter added", place=node.place, effects=effects, after=node.schema,
                         what=f"{request}: the {'required' if now_needed else 'optional'} {where} parameter {name} was added",
                         migration="Make it optional with a default first.")  # fmt: skip
            continue
        yield from leftovers(was, node, frozenset(["schema", "required", "in"]), "http", name_matters=True)
        if bool(was.schema.get("required")) != now_needed:
            who, why = (client, "they may leave it out") if now_needed else (server, "they may be asked without it")
            moment = "before" if now_needed else "after"
            example = _request(request, moment, f"the {where} parameter {name} is required", node.file)
            other = server if now_needed else client
            effects = (
                Effect(who=who, verdict="breaking", why=why, example=example),
                Effect(who=other, verdict="compatible", why="what they do is right still"),
            )
            yield Change(area="http", kind="parameter required", place=node.place, effects=effects, before=not now_needed, after=now_needed,
                         what=f"{request}: the {where} parameter {name} {'became required' if now_needed else 'is optional now'}",
                         migration="Have clients send it everywhere first.")  # fmt: skip
    for (where, name), node in before.items():
        if (where, name) not in after:
            example = _request(
                f"{request} with {name}", "before", f"no {where} parameter {name} is described", node.file
            )
            effects = (
                Effect(who=client, verdict="breaking", why="those who send it get another answer", example=example),
                Effect(who=server, verdict="compatible", why="they may go on reading it"),
            )
            yield Change(area="http", kind="parameter removed", place=node.place, effects=effects, before=node.schema,
                         what=f"{request}: the {where} parameter {name} was taken out",
                         migration="Go on reading it until no client sends it.")  # fmt: skip


def _security(pair: Pair) -> Iterator[Change]:
    a, b, old, new = pair.a, pair.b, pair.old, pair.new
    server, client, request = pair.server, pair.client, pair.request
    before = old.schema.get("security", a.documents[old.file].get("security"))
    after = new.schema.get("security", b.documents[new.file].get("security"))
    if before == after:
        return
    tighter = bool(after) and not before
    looser = bool(before) and not after
    verdict: Verdict = "breaking" if tighter else "unknown"
    example = (
        _request(f"{request} without credentials", "before", f"security {after} is required", new.file)
        if tighter
        else None
    )
    effects = (
        Effect(who=client, verdict=verdict if not looser else "compatible", example=example,
               why="they do not identify themselves" if tighter else "they may go on identifying themselves" if looser else "no rule tells"),
        Effect(who=server, verdict="breaking" if tighter or looser else "unknown",
               why="whom they let in changes" if tighter or looser else "no rule tells"),
    )  # fmt: skip
    yield Change(area="http", kind="security", place=f"{new.place}/security", what=f"{request}: what identifies a client was changed",
                 effects=effects, before=before, after=after, migration="Accept both for a while.")  # fmt: skip


def _body(pair: Pair) -> Iterator[Change]:
    a, b, old, new = pair.a, pair.b, pair.old, pair.new
    server, client, request = pair.server, pair.client, pair.request
    has = ("requestBody" in old.schema, "requestBody" in new.schema)
    if has == (False, False):
        return
    if has == (True, True):
        was, now = a.follow(old.child("requestBody")), b.follow(new.child("requestBody"))
        yield from _media(was, now, client, server, request)
        yield from leftovers(was, now, frozenset(["content"]), "http")
        return
    effects = (
        Effect(who=client, verdict="breaking" if has[1] else "unknown", why="what they send as the body changes",
               example=_request(f"{request} without a body", "before", "a body is described", new.file) if has[1] else None),
        Effect(who=server, verdict="unknown", why="no rule tells whether they read the body"),
    )  # fmt: skip
    yield Change(
        area="http", kind="request body", place=new.place, what=f"{request}: the body came or went", effects=effects
    )


def _responses(pair: Pair) -> Iterator[Change]:
    a, b, old, new = pair.a, pair.b, pair.old, pair.new
    server, client, request = pair.server, pair.client, pair.request
    before = {str(s): a.follow(old.child("responses", s)) for s in old.schema.get("responses") or {}}
    after = {str(s): b.follow(new.child("responses", s)) for s in new.schema.get("responses") or {}}
    for status in sorted(set(before) | set(after)):
        if status in before and status in after:
            was, now = before[status], after[status]
            yield from leftovers(was, now, frozenset(["content", "headers"]), "http")
            yield from _media(was, now, server, client, f"{request} answered {status}")
            yield from _headers(pair, was, now, f"{request} answered {status}")
            continue
        come = status in after
        fallback = before.get("default") if come else after.get("default")
        same = fallback is not None and fallback.schema.get("content") == (after if come else before)[
            status
        ].schema.get("content")
        content = {"request": request, "status": status}
        said = f"an answer {status} is not described"
        example = Example(
            form="request", right_under="after" if come else "before", content=content, said=said, refused_by=new.file
        )
        if same:
            why = "the answer `default` says the same"
            effects = (
                Effect(who=server, verdict="compatible", why=why),
                Effect(who=client, verdict="compatible", why=why),
            )
        elif come:
            effects = (
                Effect(who=server, verdict="compatible", why="they need not answer it"),
                Effect(
                    who=client, verdict="breaking", why="they may be answered what they do not know", example=example
                ),
            )
        else:
            effects = (
                Effect(
                    who=server,
                    verdict="breaking",
                    why="they may answer what is not described any more",
                    example=example,
                ),
                Effect(who=client, verdict="compatible", why="they may go on understanding it"),
            )
        yield Change(area="http", kind="answer added" if come else "answer removed", place=f"{new.place}/responses", effects=effects,
                     what=f"{request}: the answer {status} was {'added' if come else 'taken out'}",
                     migration="Update the clients first." if come else "Update the servers first.")  # fmt: skip


def _media(was: Node, now: Node, writer: str, reader: str, request: str) -> Iterator[Change]:
    before, after = was.schema.get("content") or {}, now.schema.get("content") or {}
    for media in sorted(set(before) | set(after)):
        if media in before and media in after:
            yield from leftovers(
                was.child("content", media), now.child("content", media), frozenset(["schema"]), "http"
            )
            continue
        come = media in after
        moment = "after" if come else "before"
        example = Example(form="request", right_under="after" if come else "before", content={"request": request, "media type": media},
                          said=f"the media type {media} is not described {'before' if moment == 'after' else 'after'}", refused_by=now.file)  # fmt: skip
        effects = (
            Effect(who=writer, verdict="compatible" if come else "breaking", example=None if come else example,
                   why="they need not use it" if come else "they may write what is not described any more"),
            Effect(who=reader, verdict="breaking" if come else "compatible", example=example if come else None,
                   why="they may be given a form that they do not know" if come else "they may go on reading it"),
        )  # fmt: skip
        yield Change(area="http", kind="media type", place=now.place, what=f"{request}: the media type {media} {'came' if come else 'went'}",
                     effects=effects, migration="Let both media types live side by side for a while.")  # fmt: skip


def _headers(pair: Pair, was: Node, now: Node, request: str) -> Iterator[Change]:
    a, b, server, client = pair.a, pair.b, pair.server, pair.client
    before = {h: a.follow(was.child("headers", h)) for h in was.schema.get("headers") or {}}
    after = {h: b.follow(now.child("headers", h)) for h in now.schema.get("headers") or {}}
    for header in sorted(set(before) | set(after)):
        if header in before and header in after:
            yield from leftovers(before[header], after[header], frozenset(["schema"]), "http")
            continue
        come = header in after
        needed = come and bool(after[header].schema.get("required"))
        example = Example(form="request", right_under="before", content={"request": request, "without header": header},
                          said=f"the header {header} is required", refused_by=now.file) if needed else None  # fmt: skip
        gone = Example(form="request", right_under="after", content={"request": request, "without header": header},
                       said=f"the header {header} is described", refused_by=now.file) if not come else None  # fmt: skip
        effects = (
            Effect(who=server, verdict="breaking" if needed else "compatible", example=example,
                   why="they do not send it" if needed else "they may leave it out" if come else "they may go on sending it"),
            Effect(who=client, verdict="compatible" if come else "breaking", example=gone,
                   why="they ignore headers that they do not know" if come else "those who read it find it gone"),
        )  # fmt: skip
        yield Change(area="http", kind="header", place=f"{now.place}/headers", what=f"{request}: the header {header} {'came' if come else 'went'}",
                     effects=effects)  # fmt: skip


def _path_items(a: Side, b: Side, file: str) -> Iterator[Change]:
    before: dict[str, Any] = a.documents[file].get("paths") or {}
    after: dict[str, Any] = b.documents[file].get("paths") or {}
    for path in before:
        if path in after:
            known = frozenset([*METHODS, "parameters"])
            yield from leftovers(a.root(file).child("paths", path), b.root(file).child("paths", path), known, "http")


def _request(request: str, moment: str, said: str, file: str) -> Example:
    return Example(form="request", right_under="before" if moment == "before" else "after", content={"request": request}, said=said,
                   refused_by=f"{file} as it is {'after' if moment == 'before' else 'before'}")  # fmt: skip
