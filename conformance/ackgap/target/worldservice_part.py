"""Reads the `worldservice` part of a descriptor, once it follows the schema."""

from collections.abc import Callable
from typing import Any

from ackgap.contract import ContractError
from ackgap.target.applying import ACCEPTED, REFUSED, USUAL_ENTRY, Trigger, Watch, WorldServiceSpec

Error = Callable[..., ContractError]
SAMPLE = """worldservice:
    url: "http://{host}:{port.http}"
    apply:
      http: {url: "http://{host}:{port.http}/worlds/{world_id}/apply", body: {run_id: "{run_id}", entries: "{entries}"}}"""


def read_worldservice(document: dict[str, Any], kind: str, error: Error) -> WorldServiceSpec | None:
    """What is said of a WorldService, or None for a Gateway. `error` makes an error of a sentence and keys."""
    given = document.get("worldservice")
    if document.get("role", "gateway") != "worldservice":
        if given is not None:
            raise error(
                "only a target with `role: worldservice` is asked for applies; add the role, or take it out",
                "worldservice",
            )
        return None
    if given is None:
        raise error(
            f"the key 'worldservice' is missing; it says how the service is made to apply, for instance\n  {SAMPLE}",
            "role",
        )
    if kind == "python":
        raise error("a WorldService is certified as a service: use command, image, build or attach", "start", "python")
    for key in ("observe", "settings"):
        if document.get(key):
            raise error("belongs to Gateways; a WorldService has `worldservice` instead; take it out", key)
    return WorldServiceSpec(
        url=_url(given.get("url", ""), error, "url").rstrip("/"),
        apply=_apply(given["apply"], error),
        failing=_trigger(given["failing"], error, "failing") if "failing" in given else None,
        abort=_trigger(given["abort"], error, "abort") if "abort" in given else None,
        entry=given.get("entry", USUAL_ENTRY),
    )


def _apply(given: dict[str, Any], error: Error) -> Trigger | Watch:
    ways = [name for name in ("http", "command", "watch") if name in given]
    if len(ways) != 1:
        found = f"found {' and '.join(ways)}; keep one" if ways else "found none; add one"
        raise error(f"expected exactly one of http, command, watch, {found}", "worldservice", "apply")
    if ways == ["watch"]:
        watch = given["watch"]
        return Watch(worlds=tuple(watch["worlds"]), within_s=float(watch.get("within_s", 120)))
    trigger = _trigger(given, error, "apply")
    text = trigger.url + str(trigger.body) + " ".join(trigger.command)
    if "{world_id}" not in text:
        raise error(
            "nothing says which world is to be applied; put {world_id} into it", "worldservice", "apply", ways[0]
        )
    if "{run_id}" not in text and not trigger.run_id and trigger.way == "http":
        raise error(
            "nothing says which run it becomes; put {run_id} into the request, or name by `run_id: /POINTER` where the "
            "answer tells it", "worldservice", "apply", "http",
        )  # fmt: skip
    return trigger


def _trigger(given: dict[str, Any], error: Error, name: str) -> Trigger:
    if ("http" in given) == ("command" in given):
        raise error("expected exactly one of http and command", "worldservice", name)
    if "command" in given:
        return Trigger(way="command", command=tuple(given["command"]))
    http = given["http"]
    return Trigger(
        way="http", method=http.get("method", "POST"), url=_url(http["url"], error, name, "http", "url"),
        body=http.get("body"), accepted=tuple(http.get("accepted", ACCEPTED)),
        refused=tuple(http.get("refused", REFUSED)), run_id=http.get("run_id", ""),
    )  # fmt: skip


def _url(url: str, error: Error, *keys: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise error(f"expected a URL that begins with http://, found {url!r}", "worldservice", *keys)
    return url
