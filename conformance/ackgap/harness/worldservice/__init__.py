"""Certifies WorldServices in real time: asks for applies, follows the topic, ACKs as a Gateway would, and reads over HTTP."""
