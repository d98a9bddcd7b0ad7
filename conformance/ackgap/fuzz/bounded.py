"""How the child process talks to a target: answers of bounded size and time, to one address only, past no proxy."""

import time
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

BODY_LIMIT = 4 << 20  # bytes; a snapshot of thousands of entries fits
PIECE = 65_536


class BoundedAdapter(HTTPAdapter):
    """Reads no more than `BODY_LIMIT` and one byte, and no longer than the time limit of the request."""

    allowed = ""  # scheme://host:port
    limit_s = 5.0

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send, and read the body. Raises requests' own errors."""
        if origin(request.url or "") != self.allowed:
            raise requests.exceptions.InvalidURL(f"only {self.allowed} is asked, not {request.url}")
        until = time.monotonic() + self.limit_s
        response = super().send(request, *args, **{**options, "stream": True})
        kept = bytearray()
        try:
            while len(kept) <= BODY_LIMIT and (piece := response.raw.read(PIECE, decode_content=True)):
                kept += piece
                if time.monotonic() > until:
                    raise requests.exceptions.ReadTimeout(
                        f"the body was not whole after {self.limit_s:.0f} s", request=request
                    )
        except HTTPError as error:
            response.raw.close()
            raise requests.exceptions.ConnectionError(
                f"the body could not be read: {error}", request=request
            ) from error
        except requests.exceptions.ReadTimeout:
            response.raw.close()
            raise
        if len(kept) > BODY_LIMIT:
            response.raw.close()
        response._content = bytes(kept)
        response._content_consumed = True
        return response


def install(url: str, limit_s: float) -> None:
    """From now on every session of this process is bounded and asks nobody but the target."""
    BoundedAdapter.allowed, BoundedAdapter.limit_s = origin(url), limit_s
    requests.sessions.__dict__["HTTPAdapter"] = BoundedAdapter


def origin(url: str) -> str:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname}:{port}"
