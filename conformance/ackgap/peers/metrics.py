"""Reads a Prometheus text page."""

from collections.abc import Mapping

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

PAGE_LIMIT = 8 << 20


async def read(url: str, *, timeout_s: float = 5.0, headers: Mapping[str, str] | None = None) -> dict[str, float]:
    """Values by sample name with its labels in `{k="v"}` order; empty if the page cannot be read."""
    try:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(url, headers=headers) as response,
        ):
            text = (await response.content.read(PAGE_LIMIT)).decode("utf-8", "replace")
            if response.status != 200:
                return {}
        return parse(text)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return {}


def parse(text: str) -> dict[str, float]:
    """Parse a page. Raises ValueError if it is none."""
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
            values[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return values
