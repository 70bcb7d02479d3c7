"""What a request contains about its sender, and which proxies are trusted."""

import pytest

from alice.tracking.log.caller import Caller, caller


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("en-GB", "en-GB"),
        (" fr ;q=0.9, en", "fr"),
        ("de, en;q=0.5", "de"),
        ("x" * 36, "x" * 35),
        ("", None),
        (",en", None),
    ],
)
def test_the_first_language_that_is_accepted_counts(header: str, language: str | None) -> None:
    assert caller({"HTTP_ACCEPT_LANGUAGE": header}, 0).language == language
    assert caller({}, 0).language is None


@pytest.mark.parametrize(
    ("sent", "opted_out"),
    [
        ({}, False),
        ({"HTTP_DNT": "1"}, True),
        ({"HTTP_SEC_GPC": "1"}, True),
        ({"HTTP_DNT": "0", "HTTP_SEC_GPC": "0"}, False),
        ({"HTTP_DNT": "1", "HTTP_SEC_GPC": "0"}, True),
    ],
)
def test_dnt_and_gpc_both_opt_out(sent: dict[str, str], opted_out: bool) -> None:
    assert caller(sent, 0).opted_out is opted_out


def test_the_address_is_the_one_that_the_trusted_proxies_saw() -> None:
    sent = {
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_X_FORWARDED_FOR": "203.0.113.1, 198.51.100.2",
        "HTTP_USER_AGENT": "tea",
    }

    assert caller(sent, 0) == Caller("192.0.2.1", "tea", sent, False)
    assert caller(sent, 1).address == "198.51.100.2"
    assert caller({}, 0) == Caller("", "", {}, False)
