"""Wrong in the answers over HTTP (WS-17 to WS-22, WS-32, WS-35, WS-37, WS-38)."""

from dataclasses import replace
from typing import Any

from aiohttp import web

from ackgap_reference.worldservice import documents
from ackgap_reference.worldservice.desk import Answer, Desk, problem
from ackgap_reference.worldservice.documents import token
from ackgap_reference.worldservice.http import HttpFace
from ackgap_reference.worldservice.parts import FaultyWorldService, Parts


class KnowsEveryWorld(Desk):
    """Answers 200 with an empty state for a world that it does not know."""

    def state_hash(self, world_id: str) -> Answer:
        answer = super().state_hash(world_id)
        if answer.status != 404:
            return answer
        return Answer(status=200, document={"state_hash": "empty", "world_id": world_id}, etag="empty")

    def snapshot(self, world_id: str) -> Answer:
        answer = super().snapshot(world_id)
        if answer.status != 404:
            return answer
        document: dict[str, Any] = {
            "world_id": world_id,
            "run_id": None,
            "sequence": None,
            "state_hash": "empty",
            "state": {},
        }
        return Answer(status=200, document=document, etag="empty")


class RefusesStrangers(Desk):
    """Answers 400 for a world that it does not know."""

    def state_hash(self, world_id: str) -> Answer:
        return _as_400(super().state_hash(world_id))

    def snapshot(self, world_id: str) -> Answer:
        return _as_400(super().snapshot(world_id))


def _as_400(answer: Answer) -> Answer:
    return problem(400, str(answer.document["detail"])) if answer.status == 404 else answer


class ErrorsAsHtml(HttpFace):
    """Tells errors as HTML."""

    def response(self, answer: Answer, *given: Any) -> web.Response:
        if answer.status < 400:
            return super().response(answer, *given)
        text = f"<html><body><h1>{answer.status}</h1></body></html>"
        return web.Response(status=answer.status, text=text, content_type="text/html")


class AnyEntryWillDo(Desk):
    """Asked for one entry, answers with the last event of the world, whichever entry it is about."""

    def entry(self, world_id: str, strategy: str | None, side: str | None) -> Answer:
        answer = super().entry(world_id, strategy, side)
        world = self._world(world_id)
        if answer.status != 200 or world is None:
            return answer
        value = self.store.value(world_id, max(world.last_event.values()))
        if value is None:
            return answer
        document = documents.in_envelope(value, self.core.constants)
        return Answer(status=200, document=document, etag=token(document["id"]))


class UnquotedTag(HttpFace):
    """Sends the ETag without quotes."""

    def tag(self, answer: Answer) -> str:
        return answer.etag


class IgnoresTheCondition(HttpFace):
    """Answers in full whatever If-None-Match says."""

    def conditional(self, request: web.BaseRequest, answer: Answer) -> web.Response:
        return self.response(answer)


class NeverChanged(HttpFace):
    """Answers 304 to any If-None-Match."""

    def conditional(self, request: web.BaseRequest, answer: Answer) -> web.Response:
        if answer.status == 200 and "If-None-Match" in request.headers:
            return web.Response(status=304, headers={"ETag": self.tag(answer)})
        return super().conditional(request, answer)


class TagOfTheWorld(Desk):
    """The tag is that of the world, whatever its state."""

    def state_hash(self, world_id: str) -> Answer:
        return _tagged(super().state_hash(world_id), world_id)

    def snapshot(self, world_id: str) -> Answer:
        return _tagged(super().snapshot(world_id), world_id)


def _tagged(answer: Answer, world_id: str) -> Answer:
    return replace(answer, etag=token(world_id)) if answer.status == 200 else answer


class WantsAToken(Desk):
    """The snapshot is only for those who bring a token."""

    def snapshot(self, world_id: str) -> Answer:
        answer = super().snapshot(world_id)
        return problem(401, "a token is needed") if answer.status == 200 else answer


class DecodesNothing(HttpFace):
    """Takes ids from the path as they stand there, percent signs and all."""

    def decoded(self, segment: str) -> str:
        return segment


class DecodesTwice(HttpFace):
    """Decodes ids from the path twice."""

    def decoded(self, segment: str) -> str:
        return super().decoded(super().decoded(segment))


class AnswersHalfAQuestion(Desk):
    """Answers a question for a strategy without a side, or a side without a strategy, with an empty object."""

    def entry(self, world_id: str, strategy: str | None, side: str | None) -> Answer:
        answer = super().entry(world_id, strategy, side)
        return Answer(status=200, document={}, etag=token(world_id)) if answer.status == 400 else answer


class FailsAtHalfAQuestion(Desk):
    """Fails at a question for a strategy without a side, or a side without a strategy."""

    def entry(self, world_id: str, strategy: str | None, side: str | None) -> Answer:
        answer = super().entry(world_id, strategy, side)
        return problem(500, "no key") if answer.status == 400 else answer


def _desk(name: str, requirement: str, desk: type[Desk]) -> FaultyWorldService:
    return _faulty(name, requirement, desk, Parts(desk=desk))


def _http(name: str, requirement: str, http: type[HttpFace]) -> FaultyWorldService:
    return _faulty(name, requirement, http, Parts(http=http))


def _faulty(name: str, requirement: str, told_by: type[Any], parts: Parts) -> FaultyWorldService:
    sentence = " ".join((told_by.__doc__ or "").split())
    return FaultyWorldService(name=name, sentence=sentence, requirement=requirement, parts=parts)


FAULTY = (
    _desk("knows-every-world", "WS-17", KnowsEveryWorld),
    _desk("refuses-strangers", "WS-17", RefusesStrangers),
    _http("errors-as-html", "WS-18", ErrorsAsHtml),
    _desk("any-entry-will-do", "WS-19", AnyEntryWillDo),
    _http("unquoted-tag", "WS-20", UnquotedTag),
    _http("ignores-the-condition", "WS-21", IgnoresTheCondition),
    _http("never-changed", "WS-22", NeverChanged),
    _desk("tag-of-the-world", "WS-22", TagOfTheWorld),
    _desk("wants-a-token", "WS-32", WantsAToken),
    _http("decodes-nothing", "WS-35", DecodesNothing),
    _http("decodes-twice", "WS-35", DecodesTwice),
    _desk("answers-half-a-question", "WS-37", AnswersHalfAQuestion),
    _desk("fails-at-half-a-question", "WS-38", FailsAtHalfAQuestion),
)
