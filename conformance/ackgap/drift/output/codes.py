"""What each code means, for rules in SARIF and for `--list-codes`."""

from collections.abc import Mapping
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        "D0-suppression": "A suppression lacks a code or a reason.",
        "D0-unreadable": "A file cannot be read: binary, cut off, too large, or with a reference that is not followed.",
        "D1-json": "An example of a message is no JSON.",
        "D1-schema": "An example of a message does not fit its schema.",
        "D2-conflict": "Two documents give different defaults for one setting.",
        "D2-default": "A document states another default than the contract.",
        "D2-field": "A field of a message is called by another name.",
        "D2-key": "The idempotency key has another format.",
        "D2-method": "An endpoint is asked with another method.",
        "D2-metric": "A metric of the contract is called by another name.",
        "D2-path": "An endpoint of the contract has another path.",
        "D2-phase": "A phase that the contract does not know.",
        "D2-topic": "A topic of the contract is called by another name.",
        "D2-unit": "A metric is given in another unit.",
        "D3-contradiction": "A sentence contradicts a norm of the contract.",
        "D3-lock-changed": "A locked statement has changed.",
        "D3-lock-new": "A place newly speaks of a norm and is not in the lock.",
        "D3-lock-vanished": "A locked statement is gone.",
        "D3-unstated": "No document states a norm that must be stated.",
        "D3-weakened": "A sentence makes optional what the contract demands.",
        "D4-constant": "A constant stands in one translation only.",
        "D4-endpoint": "An endpoint stands in one translation only.",
        "D4-examples": "Translations show different examples.",
        "D4-headings": "Translations have different headings.",
        "D4-strength": "Translations state a norm with different strength.",
        "D5-looser": "A schema accepts messages that the contract refuses.",
        "D5-method": "A specification lacks the method of an endpoint.",
        "D5-path": "A specification lacks an endpoint of the contract.",
        "D5-stricter": "A schema refuses messages that the contract accepts.",
        "D5-topic": "A specification names another topic.",
        "D6-default": "Configuration or code has another default than the contract.",
        "D6-topic": "Configuration or code names another topic.",
        "D7-anchor": "A link leads to a heading or anchor that does not exist.",
        "D7-link": "A link leads to a file that does not exist.",
        "D7-requirement": "A requirement is cited that the catalogue does not have.",
        "D7-section": "A section of the RFC is cited that does not exist.",
        "D7-status": "Status or date of the RFC differ from those that the contract was made from.",
        "D7-torn": "No document that this one links to is here, so its links are not judged.",
    }
)
