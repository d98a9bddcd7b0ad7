"""Runs librdkafka's mock cluster until stdin closes. Started as a child process by `MockBus`.

Uses the librdkafka inside the confluent-kafka wheel through ctypes: its Python face offers neither partitions nor the
rebalance delay.
"""

import ctypes
import ctypes.util
import json
import sys
from pathlib import Path
from typing import Any

import confluent_kafka

REBALANCE_DELAY_MS = 50


def find_library() -> str | None:
    """Path of the librdkafka that belongs to confluent-kafka, or one of the system."""
    package = Path(confluent_kafka.__file__).resolve().parent
    for folder in (package.parent / "confluent_kafka.libs", package / ".dylibs", package):
        for path in sorted(folder.glob("librdkafka*")):
            return str(path)
    return ctypes.util.find_library("rdkafka")


def main() -> int:
    """Start the cluster, print its address, obey `create_topic`."""
    path = find_library()
    if path is None:
        print("no librdkafka was found beside confluent-kafka", file=sys.stderr)
        return 1
    library = ctypes.CDLL(path)
    cluster = _cluster(library)
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    bootstraps = library.rd_kafka_mock_cluster_bootstraps(cluster)
    _say({"bootstrap": bootstraps.decode().split(",")[0]})
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any] = {"id": command.get("id")}
        if command.get("do") == "create_topic":
            name, partitions = command["topic"].encode(), int(command["partitions"])
            failed = library.rd_kafka_mock_topic_create(cluster, ctypes.c_char_p(name), partitions, 1)
            if failed:
                answer["error"] = f"librdkafka error {failed}"
        else:
            answer["error"] = f"unknown command {command.get('do')!r}"
        _say(answer)
    return 0


def _cluster(library: Any) -> ctypes.c_void_p:
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    reason = ctypes.create_string_buffer(512)
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    producer = 0
    handle = ctypes.c_void_p(library.rd_kafka_new(producer, configuration, reason, ctypes.c_size_t(512)))
    if not handle.value:
        raise SystemExit(f"librdkafka: {reason.value.decode()}")
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(handle, 1))
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, ctypes.c_int32(REBALANCE_DELAY_MS))
    return cluster


def _say(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    sys.exit(main())
