"""Pacts between Gateway and WorldService: written from the contract, verified against any provider.

A pact says what one side reads of the other. It proves nothing about order, gates or time; `ackgap certify` does.
"""
