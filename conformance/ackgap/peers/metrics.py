"""Reads a Prometheus text page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

PAGE_LIMIT = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page as read: values by sample name with its labels in `{k="v"}` order, or `trouble` that says why not."""

    values: Mapping[str, float] = field(default_factory=dict)
    trouble: str = ""

    def has(self, name: str) -> bool:
        """Whether a sample of that name is there, with any labels; or exactly this one if labels are given."""
        return any(key == name or key.startswith(f"{name}{{") for key in self.values)


async def look(url: str, *, timeout_s: float = 5.0, headers: Mapping[str, str] | None = None) -> Page:
    """Read a page."""
    try:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(url, headers=headers) as response,
        ):
            text = (await response.content.read(PAGE_LIMIT)).decode("utf-8", "replace")
            if response.status != HTTPStatus.OK:
                return Page(trouble=f"{url} answers with status {response.status}")
        return Page(values=parse(text))
    except ValueError as error:
        return Page(trouble=f"{url} is no page in Prometheus text format: {error}")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return Page(trouble=f"{url} does not answer: {str(error) or type(error).__name__}")


async def read(url: str, *, timeout_s: float = 5.0, headers: Mapping[str, str] | None = None) -> dict[str, float]:
    """Values by sample name with its labels in `{k="v"}` order; empty if the page cannot be read."""
    return dict((await look(url, timeout_s=timeout_s, headers=headers)).values)


def parse(text: str) -> dict[str, float]:
    """Parse a page. Raises ValueError if it is none."""
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
            values[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return values


def canonical(values: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    """The samples that a descriptor maps (canonical name -> the target's own) under their canonical names, labels kept."""
    found = {}
    for ours, own in names.items():
        for key, value in values.items():
            if key == own or key.startswith(own + "{"):
                found[ours + key[len(own) :]] = value
    return found
