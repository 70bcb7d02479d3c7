"""Paths, campaigns and referrers in URLs, and the bucket for both."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alice.tracking.log.campaign import (
    MAX_PATH,
    MAX_VALUE,
    NO_CAMPAIGN,
    NOWHERE,
    Campaign,
    address,
    bucket,
    referrer,
)

OWN = frozenset(("wonderland.example", "www.alice.example"))


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("/tea", None, "/tea"),
        ("", None, "/"),
        ("?page=2", None, "/"),
        ("tea/party", None, "/tea/party"),
        ("/tea#party", None, "/tea"),
        ("/tea?token=secret#code", None, "/tea"),
        ("https://Wonderland.example:8443/tea?email=a@b.example", "wonderland.example", "/tea"),
        ("https://alice:secret@wonderland.example/tea", "wonderland.example", "/tea"),
        ("https://wonderland.example", "wonderland.example", "/"),
        ("//wonderland.example/tea", "wonderland.example", "/tea"),
        ("https://[2001:db8::1]/tea", "2001:db8::1", "/tea"),
        ("/tea?next=https://elsewhere.example/", None, "/tea"),
    ],
)
def test_an_address_keeps_its_host_and_path_alone(url: str, host: str | None, path: str) -> None:
    assert address(url) == (host, path, NO_CAMPAIGN)


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "file:///home/alice/secret.html", "data:text/html,x"),
        *("about:blank", "mailto:alice@wonderland.example", "https://[bad/"),
    ],
)
def test_an_address_that_is_not_a_pages_is_nowhere(url: str) -> None:
    assert address(url, "wonderland.example") == NOWHERE


def test_an_address_without_a_host_is_on_the_one_given() -> None:
    assert address("/tea", "wonderland.example").host == "wonderland.example"
    assert address("https://other.example/tea", "wonderland.example").host == "other.example"


def test_the_parameters_of_a_campaign_are_kept_and_no_others() -> None:
    url = (
        "https://wonderland.example/tea?utm_source=news%20letter&utm_medium=e-mail&utm_campaign=spring"
        "&utm_term=hat&utm_content=top&ref=hare&sid=secret"
    )

    assert address(url).campaign == Campaign("news letter", "e-mail", "spring", "hat", "top", "hare")


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("utm_source=a&source=b&ref=c", "a"),
        ("source=b&ref=c", "b"),
        ("ref=c", "c"),
        ("utm_source=&source=b", "b"),
        ("UTM_Source=a", "a"),
        ("utm_source=a&utm_source=b", "a"),
        ("utm_medium=a", None),
    ],
)
def test_a_source_has_three_names(query: str, source: str | None) -> None:
    assert address(f"/?{query}").campaign.source == source


def test_what_is_kept_is_bounded() -> None:
    found = address(f"/{'p' * 5000}?utm_source={'s' * 5000}")

    assert (len(found.path), len(found.campaign.source)) == (MAX_PATH, MAX_VALUE) == (1024, 200)


def test_a_path_is_cut_by_its_bytes_and_between_characters() -> None:
    path = address("/" + "\N{RABBIT FACE}" * 300).path

    assert 1020 < len(path.encode()) <= MAX_PATH


@pytest.mark.parametrize(("length", "source"), [(8192, "news"), (8193, "new")])
def test_of_a_query_8192_characters_are_looked_through(length: int, source: str) -> None:
    assert address("/?" + "&utm_source=news".rjust(length, "x")).campaign.source == source


def test_what_no_database_keeps_is_left_out() -> None:
    found = address("/te\0a\x1b\ud800?utm_source=n%00ews%0d%0a&utm_medium=%01")

    assert (found.path, found.campaign) == ("/tea", Campaign("news"))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://www.google.example/search?q=alice", "google.example"),
        ("http://News.example:8080/item", "news.example"),
        ("https://alice:secret@news.example/", "news.example"),
        ("android-app://org.example.reader/", "org.example.reader"),
        ("news.example", "news.example"),
        ("news.example/item", "news.example"),
        ("//news.example/item", "news.example"),
        ("https://wonderland.example/tea", None),
        ("https://www.wonderland.example/tea", None),
        ("https://ALICE.example./", None),
        ("https://blog.wonderland.example/", "blog.wonderland.example"),
        ("", None),
        ("/tea", None),
        ("nonsense", None),
        ("about:blank", None),
        ("file:///home/alice/secret.html", None),
        ("https://[bad/", None),
        ("https://<script>/", None),
        (f"https://{'a' * 253}/", "a" * 253),
        (f"https://{'a' * 254}/", None),
        ("http://intranet/tea", "intranet"),
        ("ftp://files.example/tea", None),
        ("javascript://news.example/%0asteal()", None),
        ("https://./", None),
    ],
)
def test_a_referrer_is_a_host_that_is_not_ours(text: str, host: str | None) -> None:
    assert referrer(text, OWN) == host


@pytest.mark.parametrize(
    ("campaign", "host", "name"),
    [
        (Campaign("news", "e-mail", "spring"), "google.example", "news|e-mail|spring"),
        (Campaign(source="news"), None, "news|unknown|unknown"),
        (Campaign(medium="e-mail"), None, "unknown|e-mail|unknown"),
        (Campaign(name="spring"), None, "unknown|unknown|spring"),
        (Campaign(term="hat", content="top"), "google.example", "google.example"),
        (NO_CAMPAIGN, "google.example", "google.example"),
        (None, "google.example", "google.example"),
        (NO_CAMPAIGN, None, "Direct"),
        (None, None, "Direct"),
    ],
)
def test_where_a_visit_comes_from_has_one_name(
    campaign: Campaign | None, host: str | None, name: str
) -> None:
    assert bucket(campaign, host) == name


_url = st.one_of(
    st.text(),
    st.builds("https://{}/{}?utm_source={}&ref={}#{}".format, *[st.text(max_size=20)] * 5),
    st.builds("/{}?utm_campaign={}".format, st.text(max_size=20), st.text(max_size=20)),
)


@given(_url)
def test_of_any_text_only_what_can_be_stored_is_returned(url: str) -> None:
    host, path, campaign = address(url)
    said = [host, path, referrer(url, OWN), *campaign]

    assert path is None or (path.startswith("/") and "?" not in path and "#" not in path)
    for text in filter(None, said):
        text.encode()
        assert not any(character < " " for character in text)
        assert len(text) <= MAX_PATH
