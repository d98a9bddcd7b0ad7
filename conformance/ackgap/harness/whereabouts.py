"""Tells a person where everything of a running instance is, so that it can be looked at by other means."""

from ackgap.harness.instance import Instance
from ackgap.harness.surroundings import Surroundings
from ackgap.harness.worldservice.instance import WorldInstance
from ackgap.target.spec import fill


def told(instance: Instance | WorldInstance, surroundings: Surroundings) -> str:
    """Process or container, ports, URLs, topics and log of one instance; several lines."""
    target, observe = instance.target, instance.spec.observe
    if target is None:
        return f"{instance.name}: not started"
    topics, log = f"  topics: {instance.topic} and {instance.ack_topic}", f"  log: {instance.log}"
    if isinstance(instance, WorldInstance):
        return "\n".join([f"{instance.name}: {target.whereabouts()}", topics, log])
    values = {**target.values, "world_id": "{world_id}", "run_id": "{run_id}"}
    offered = (("gate", observe.gate), ("relay", observe.relay), ("metrics", observe.metrics))
    lines = [f"{instance.name}: {target.whereabouts()}"]
    lines += [f"  {name}: {fill(url, values, where='observe')}" for name, url in offered if url]
    lines += [
        topics,
        f"  WorldService: {surroundings.url(instance.server.port)}",
        log,
    ]
    return "\n".join(lines)
