"""Other ways to answer over HTTP."""

import asyncio
from typing import Any

from aiohttp import web

from ackgap_reference.worldservice.desk import Answer, Desk, problem
from ackgap_reference.worldservice.http import HttpFace
from ackgap_reference.worldservice.parts import Parts, WorldVariant

PAUSE_S = 0.15


class WeakTags(HttpFace):
    """Its entity tags are weak."""

    def tag(self, answer: Answer) -> str:
        return f"W/{super().tag(answer)}"


class NoTags(HttpFace):
    """Sends no entity tags and knows no conditions."""

    def response(self, answer: Answer, *given: Any) -> web.Response:
        response = super().response(answer, *given)
        response.headers.pop("ETag", None)
        return response

    def conditional(self, request: web.BaseRequest, answer: Answer) -> web.Response:
        return self.response(answer)


class TakesItsTime(HttpFace):
    """Looks at the state at once and answers a little later."""

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await super()._handle(request)
        await asyncio.sleep(PAUSE_S)
        return response


class PlainJson(HttpFace):
    """Names no charset beside the media type."""

    def response(self, answer: Answer, *given: Any) -> web.Response:
        response = super().response(answer, *given)
        response.charset = None
        return response


class NothingOptional(Desk):
    """Has neither the state of an apply nor overrides."""

    def apply_status(self, world_id: str, run_id: str) -> Answer:
        return problem(404, "runs cannot be watched here")

    def override(self, world_id: str, body: bytes) -> Answer:
        return problem(404, "nothing can be changed by hand here")


def _strange(name: str, told_by: type[Any], **parts: Any) -> WorldVariant:
    return WorldVariant(name=name, sentence=" ".join((told_by.__doc__ or "").split()), parts=Parts(**parts))


STRANGE = (
    _strange("weak-tags", WeakTags, http=WeakTags),
    _strange("no-tags", NoTags, http=NoTags),
    _strange("takes-its-time", TakesItsTime, http=TakesItsTime),
    _strange("plain-json", PlainJson, http=PlainJson),
    _strange("nothing-optional", NothingOptional, desk=NothingOptional),
)
