"""Short digests that name what objects were made of.

Values of secrets enter only as HMACs: a plain hash of a password can be guessed by whoever may read a Deployment.
"""

import hashlib
import hmac
import json
from typing import Any


def of(value: Any) -> str:
    """Eight characters for a value of JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def keyed(key: bytes, *values: bytes) -> str:
    """Thirty-two characters for secret values, in this order; worthless without the key."""
    inner = b"".join(hashlib.sha256(value).digest() for value in values)
    return hmac.new(key, inner, hashlib.sha256).hexdigest()[:32]
