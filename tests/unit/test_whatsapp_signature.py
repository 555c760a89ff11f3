"""Who may post to the webhook."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.whatsapp.signature import signature_matches

COMPACT = b'{"object":"whatsapp_business_account","entry":[]}'
SPACED = b'{"object": "whatsapp_business_account", "entry": []}'
VECTORS = [
    ("test_app_secret", COMPACT, "dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756"),
    ("test_app_secret", SPACED, "56cbbaf4961c6cfdae48b7f116c047e5eb513d2c931baae63a2bc1afd26f803a"),
    ("otro_secreto", COMPACT, "769b03d8c2ae6498f2d1e1f7299c0ba55448c69d741e7b0bb243d852d8a8d8c7"),
]


@pytest.mark.parametrize(("secret", "body", "digest"), VECTORS)
def test_known_signatures(secret, body, digest):
    """The vectors of WHATSAPP.md 1.2 are accepted, alone and among other secrets, over the raw bytes only."""
    header = f"sha256={digest}"
    assert signature_matches(body, header, [secret])
    assert signature_matches(body, header, ["older", secret])
    assert not signature_matches(body + b" ", header, [secret])
    assert not signature_matches(body, header, ["another"])


@pytest.mark.parametrize("prefix", ["", "sha1=", "SHA256=", "sha256==", " sha256="])
def test_only_the_documented_form(prefix):
    """A digest without its prefix, or with another, proves nothing."""
    assert not signature_matches(COMPACT, prefix + VECTORS[0][2], ["test_app_secret"])


def test_without_secrets_nobody_gets_in():
    """A missing or empty secret never switches the check off."""
    empty = "sha256=" + "0" * 64
    assert not signature_matches(b"", empty, [])
    assert not signature_matches(b"", "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", [""])


@given(st.text(alphabet=st.characters(codec=None)) | st.just("sha256=\ud800é"), st.binary())
def test_odd_headers_are_refused_without_an_error(header, body):
    """Whatever stands in the header, the answer is no, never a fault."""
    assert not signature_matches(body, header, ["secret"])
