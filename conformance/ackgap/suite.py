"""What `pytest --pyargs ackgap.suite --ackgap-target gateway.yaml` names: one item per requirement.

The items are made by the pytest plugin of this package when it meets this file; there is nothing else in it.
"""
