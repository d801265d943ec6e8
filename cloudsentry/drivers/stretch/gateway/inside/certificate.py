"""Certificates that are the same wherever they are made: Ed25519, self-signed, of fixed bytes all through (RFC 8410).

Where cloudsentry runs and in the gateway the same certificate comes out of the same key, so that its fingerprint can be
told to the far end beforehand. Nobody reads its names or its dates: who has the key of that fingerprint is the far end.
"""

import base64
import hashlib
import hmac

ALGORITHM = bytes.fromhex("300506032b6570")
"""Ed25519's identifier: 1.3.101.112."""
PRIVATE = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 bytes of a private key in PKCS 8."""
INTEGER, BITS, SEQUENCE, SET, TEXT, SHORT, LONG = 0x02, 0x03, 0x30, 0x31, 0x0C, 0x17, 0x18
COMMON_NAME = bytes.fromhex("0603550403")


def private(seed, generation):
    """The 32 bytes of a generation's private key, of a seed (hex)."""
    return hmac.new(bytes.fromhex(seed), f"openvpn/{generation}".encode(), hashlib.sha256).digest()


def unsigned(public):
    """What is signed: the certificate of a public key (32 bytes), version 1."""
    name = _part(SEQUENCE, _part(SET, _part(SEQUENCE, COMMON_NAME, _part(TEXT, b"cloudsentry"))))
    dates = _part(SEQUENCE, _part(SHORT, b"200101000000Z"), _part(LONG, b"99991231235959Z"))
    key = _part(SEQUENCE, ALGORITHM, _part(BITS, b"\0", public))
    return _part(SEQUENCE, _part(INTEGER, b"\1"), ALGORITHM, name, dates, name, key)


def signed(body, signature):
    """The certificate."""
    return _part(SEQUENCE, body, ALGORITHM, _part(BITS, b"\0", signature))


def fingerprint(whole):
    """How the far end knows it: SHA-256, as base64."""
    return base64.b64encode(hashlib.sha256(whole).digest()).decode()


def pem(label, content):
    """As files have it."""
    return f"-----BEGIN {label}-----\n{base64.encodebytes(content).decode()}-----END {label}-----\n"


def static(psk, generation):
    """The key that both ends share of a generation, as OpenVPN writes it: 2048 bits."""
    parts = [
        hmac.new(bytes.fromhex(psk), f"openvpn/{generation}/{number}".encode(), hashlib.sha256) for number in range(8)
    ]
    text = "".join(part.hexdigest() for part in parts)
    lines = "\n".join(text[at : at + 32] for at in range(0, len(text), 32))
    return f"-----BEGIN OpenVPN Static key V1-----\n{lines}\n-----END OpenVPN Static key V1-----\n"


def _part(tag, *contents):
    content = b"".join(contents)
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content
