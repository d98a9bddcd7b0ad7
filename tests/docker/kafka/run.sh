#!/bin/sh
# Starts Kafka with what the KAFKA_* variables say. Wildcards must reach Java unexpanded.
set -f
CLASSES="/opt/kafka/libs/*"
CONFIG=/opt/kafka/config
mkdir -p $CONFIG /mnt/shared/config
LOGGING="-Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.properties"
LIMITS="-Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# storage that is formatted already makes this step fail, which is no harm: a restart keeps its data
java $LIMITS $LOGGING -cp "$CLASSES" kafka.docker.KafkaDockerWrapper setup \
  --default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config --final-configs-dir $CONFIG ||
  echo "storage was formatted before"
exec java $LIMITS $LOGGING -cp "$CLASSES" kafka.Kafka $CONFIG/server.properties
