"""Signatures, with the examples that the senders publish."""

import pytest
from multidict import CIMultiDict

from obelisk_runtime.core.ids import Instant
from obelisk_server.config.webhooks.settings import Signature, SignatureStyle
from obelisk_server.webhooks.refusals import SignatureRefused
from obelisk_server.webhooks.signatures import signing_key, verify

SECOND = 1_000_000
GITHUB = Signature(SignatureStyle.GITHUB, "S", 0)
GITHUB_SECRET = b"It's a Secret to Everybody"
GITHUB_BODY = b"Hello, World!"
GITHUB_HEADERS = {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}

SLACK = Signature(SignatureStyle.SLACK, "S", 300 * SECOND)
SLACK_SECRET = b"8f742231b10e8888abcd99yyyzzz85a5"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK_TIME = 1531420618
SLACK_HEADERS = {
    "X-Slack-Request-Timestamp": str(SLACK_TIME),
    "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
}

STANDARD = Signature(SignatureStyle.STANDARD, "S", 300 * SECOND)
STANDARD_SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_TIME = 1614265330
STANDARD_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(STANDARD_TIME),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def at(seconds: int) -> Instant:
    return Instant(seconds * SECOND)


def test_the_example_of_github_is_right() -> None:
    verify(GITHUB, GITHUB_SECRET, CIMultiDict(GITHUB_HEADERS), GITHUB_BODY, at(0))


def test_the_example_of_slack_is_right() -> None:
    verify(SLACK, SLACK_SECRET, CIMultiDict(SLACK_HEADERS), SLACK_BODY, at(SLACK_TIME))


def test_the_example_of_standard_webhooks_is_right() -> None:
    key = signing_key(SignatureStyle.STANDARD, STANDARD_SECRET)
    headers = CIMultiDict(STANDARD_HEADERS)
    verify(STANDARD, key, headers, STANDARD_BODY, at(STANDARD_TIME))
    headers["webhook-signature"] = "v1,AAAA v1a,x " + STANDARD_HEADERS["webhook-signature"]
    verify(STANDARD, key, headers, STANDARD_BODY, at(STANDARD_TIME))


@pytest.mark.parametrize("offset", [-300, 300])
def test_a_time_at_the_edge_of_the_window_is_taken(offset: int) -> None:
    verify(SLACK, SLACK_SECRET, CIMultiDict(SLACK_HEADERS), SLACK_BODY, at(SLACK_TIME + offset))


@pytest.mark.parametrize("offset", [-301, 301])
def test_a_time_outside_of_the_window_is_refused(offset: int) -> None:
    with pytest.raises(SignatureRefused, match="more than 300 s away"):
        verify(SLACK, SLACK_SECRET, CIMultiDict(SLACK_HEADERS), SLACK_BODY, at(SLACK_TIME + offset))


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1531420618.0", "٣", "9" * 13])
def test_what_is_no_time_is_refused(timestamp: str) -> None:
    headers = CIMultiDict({**SLACK_HEADERS, "X-Slack-Request-Timestamp": timestamp})
    with pytest.raises(SignatureRefused, match="no number of seconds"):
        verify(SLACK, SLACK_SECRET, headers, SLACK_BODY, at(SLACK_TIME))


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({}, GITHUB_BODY, "expected one header X-Hub-Signature-256, found none"),
        (GITHUB_HEADERS, GITHUB_BODY + b" ", "not what the secret and the body give"),
        ({"X-Hub-Signature-256": ""}, GITHUB_BODY, "not what"),
        ({"X-Hub-Signature-256": "sha256=" + "0" * 64}, GITHUB_BODY, "not what"),
        ({"X-Hub-Signature-256": GITHUB_HEADERS["X-Hub-Signature-256"].upper()}, GITHUB_BODY, "not what"),
        ({"X-Hub-Signature-256": "sha256=\udcff"}, GITHUB_BODY, "not what"),
        ({"X-Hub-Signature": "sha1=x"}, GITHUB_BODY, "found none"),
    ],
)
def test_what_is_not_signed_so_is_refused(headers: dict[str, str], body: bytes, reason: str) -> None:
    with pytest.raises(SignatureRefused, match=reason):
        verify(GITHUB, GITHUB_SECRET, CIMultiDict(headers), body, at(0))


def test_two_signatures_are_refused() -> None:
    headers = CIMultiDict(GITHUB_HEADERS)
    headers.add("x-hub-signature-256", "sha256=0")
    with pytest.raises(SignatureRefused, match="found 2"):
        verify(GITHUB, GITHUB_SECRET, headers, GITHUB_BODY, at(0))


def test_another_time_than_the_signed_one_is_refused() -> None:
    headers = CIMultiDict({**SLACK_HEADERS, "X-Slack-Request-Timestamp": str(SLACK_TIME + 1)})
    with pytest.raises(SignatureRefused, match="not what"):
        verify(SLACK, SLACK_SECRET, headers, SLACK_BODY, at(SLACK_TIME))


def test_a_secret_that_is_none_of_its_style_is_refused() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        signing_key(SignatureStyle.STANDARD, b"not base64!")
