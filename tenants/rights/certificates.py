"""Signed certificates of deletion: Ed25519 (RFC 8032) over the canonical JSON of the facts.

Document: `{"format": ..., "facts": {...}, "key_id": 16 hex digits, "signature": base64}`. What is
signed are the bytes of `facts` as JSON with sorted keys, no spaces, UTF-8 (the subset of RFC 8785
that strings and integers need: there are no fractions in it).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Invalid

FORMAT = "modelyard-deletion-certificate/1"
_FIELDS = {"format", "facts", "key_id", "signature"}


def _private() -> Ed25519PrivateKey:
    """Return the installation's key: `CERTIFICATE_KEY` (base64 of 32 bytes), else derived.

    Derived by HKDF (RFC 5869) from SECRET_KEY, so that a self-hosted site needs no setting.
    """
    if settings.CERTIFICATE_KEY:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(settings.CERTIFICATE_KEY))
    derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=FORMAT.encode())
    return Ed25519PrivateKey.from_private_bytes(derive.derive(settings.SECRET_KEY.encode()))


def public_pem() -> str:
    """Return the public key of this installation, PEM (RFC 8410)."""
    key = _private().public_key()
    encoding, shape = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(encoding, shape).decode()


def _key_id(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def _canonical(facts: object) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the certificate of `facts` (strings, integers, and mappings of them)."""
    key = _private()
    return {
        "format": FORMAT,
        "facts": dict(facts),
        "key_id": _key_id(key.public_key()),
        "signature": base64.b64encode(key.sign(_canonical(facts))).decode(),
    }


def verify(text: str | bytes, *, pem: str = "") -> dict[str, Any]:
    """Return the facts of a certificate that the key of `pem` (default: ours) has signed.

    Raises:
        Invalid: `certificate_unreadable`, `key_unreadable`, `certificate_other_key` or
            `certificate_forged`.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable() from error
    if not isinstance(document, dict) or set(document) != _FIELDS or document["format"] != FORMAT:
        raise _unreadable()
    key = _public(pem or public_pem())
    if document["key_id"] != _key_id(key):
        raise Invalid(
            _(
                "The certificate was signed by another key. Take the public key of the site that"
                " issued it: /certificates/key.pem."
            ),
            code="certificate_other_key",
        )
    try:
        signature = base64.b64decode(document["signature"], validate=True)
        key.verify(signature, _canonical(document["facts"]))
    except (InvalidSignature, binascii.Error, TypeError, ValueError) as error:
        raise Invalid(
            _("The signature does not fit: the certificate was changed after it was issued."),
            code="certificate_forged",
        ) from error
    facts: dict[str, Any] = document["facts"]
    return facts


def _public(pem: str) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _bad_key() from error
    if not isinstance(key, Ed25519PublicKey):
        raise _bad_key()
    return key


def _unreadable() -> Invalid:
    return Invalid(
        _("This is no certificate of deletion. Give the JSON file as it was downloaded."),
        code="certificate_unreadable",
    )


def _bad_key() -> Invalid:
    return Invalid(_("This is no Ed25519 public key in PEM."), code="key_unreadable")
