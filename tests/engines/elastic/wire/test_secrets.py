"""A server that repeats the request's headers does not make us print them."""

from __future__ import annotations

from base64 import b64encode

import pytest

from workbench.engines.elastic.wire.connection import secrets_of
from workbench.engines.elastic.wire.failures import from_status

PAIR = b64encode(b"me:s3cret-word").decode()


@pytest.mark.parametrize(
    "said",
    ["s3cret-word", f"Basic {PAIR}", f"authorization: basic {PAIR[:-4]}", "ApiKey abcdefgh12345"],
)
@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_what_a_server_says_is_shown_without_secrets(said: str, status: int) -> None:
    secrets = secrets_of({"user": "me", "password": "s3cret-word"})
    for body in (f"proxy: {said} refused", {"error": {"type": "x", "reason": f"got {said}"}}):
        text = str(from_status(status, body, "http://x, index 'a'", secrets=secrets))
        for secret in ("s3cret-word", PAIR, PAIR[:12], "abcdefgh12345"):
            assert secret not in text
