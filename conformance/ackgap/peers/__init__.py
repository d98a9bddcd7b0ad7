"""The other side of a Gateway, played by the kit: WorldService, relay client, gate client, metrics reader."""
