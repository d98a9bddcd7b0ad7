"""The embedded broker: a small Go program on kfake, and how it is built."""
