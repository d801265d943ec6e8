"""The certificate of an end, as its gateways make it of the same seed: the far end must know it beforehand."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloudsentry.drivers.stretch.gateway.inside import certificate


def whole(seed: str, generation: int) -> bytes:
    """The certificate (DER) of a gateway's seed (hex). Ed25519 signs alike each time (RFC 8032)."""
    inside: Any = certificate  # untyped, as all that gateways run
    private = Ed25519PrivateKey.from_private_bytes(inside.private(seed, generation))
    body = inside.unsigned(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    made: bytes = inside.signed(body, private.sign(body))
    return made


def fingerprint(seed: str, generation: int) -> str:
    """The SHA-256 of that certificate, as base64."""
    inside: Any = certificate
    return str(inside.fingerprint(whole(seed, generation)))
