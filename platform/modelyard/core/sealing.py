"""Secrets that must be read again (a customer's key to a bucket): encrypted in their column.

AES-256-GCM (NIST SP 800-38D) under a key of its own for each purpose, derived from the
installation's key pepper. What is sealed is bound to its row: moved to another it can't be read.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_NONCE_BYTES = 12


class SealBroken(Exception):
    """The bytes were sealed under another pepper, for another row, or are damaged."""


def _cipher(purpose: str) -> AESGCM:
    pepper = settings.API_KEY_PEPPER.encode()
    return AESGCM(hmac.new(pepper, purpose.encode(), hashlib.sha256).digest())


def seal(secret: str, *, purpose: str, bound_to: bytes) -> bytes:
    """Return the secret encrypted: 12 bytes of nonce, then text and tag."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(purpose).encrypt(nonce, secret.encode(), bound_to)


def unseal(sealed: bytes, *, purpose: str, bound_to: bytes) -> str:
    """Return the secret.

    Raises:
        SealBroken: It can't be read any more; it has to be entered again.
    """
    try:
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return _cipher(purpose).decrypt(nonce, text, bound_to).decode()
    except (InvalidTag, ValueError) as error:
        raise SealBroken from error
