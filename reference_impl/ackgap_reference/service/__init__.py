"""The reference Gateway as a service: Kafka, HTTP, WebSocket and metrics around the core."""
