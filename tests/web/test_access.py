"""Signing in is required unless a view says otherwise."""

import pytest

from tests.cast import Cast

pytestmark = pytest.mark.engine("sqlite")


def test_a_program_that_did_not_sign_in_is_told_so(cast: Cast) -> None:
    answer = cast.nobody.client.get("/api/probe/mine")

    assert answer.status_code == 401
    assert answer.json["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize(
    ("path", "next_"),
    [
        ("/probe/mine", "/probe/mine"),
        ("/probe/mine?page=2&word=t%C3%A9", "/probe/mine%3Fpage%3D2%26word%3Dt%25C3%25A9"),
        ("/probe/admin", "/probe/admin"),
    ],
)
def test_a_person_who_did_not_sign_in_is_sent_to_sign_in_and_back(cast: Cast, path: str, next_: str) -> None:
    answer = cast.nobody.browser.get(path)

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/login?next={next_}")


def test_nobody_is_sent_back_to_a_form_that_was_posted(cast: Cast) -> None:
    answer = cast.nobody.browser.post("/probe/mine", data={})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")


@pytest.mark.parametrize("token", ["", "x", "é", "reader", "Bearer", "a b", "x" * 5000, "\ud800"])
def test_a_token_that_is_none_signs_nobody_in(cast: Cast, token: str) -> None:
    header = {"Authorization": f"Bearer {token}".encode("utf-8", "surrogatepass").decode("latin-1")}

    assert cast.nobody.client.get("/api/probe/mine", headers=header).status_code == 401


@pytest.mark.parametrize(
    ("name", "status"), [("nobody", 401), ("reader", 403), ("consultant", 200), ("admin", 200)]
)
def test_a_view_for_some_roles_is_closed_to_the_others(cast: Cast, name: str, status: int) -> None:
    answer = getattr(cast, name).client.get("/api/probe/staff")

    assert answer.status_code == status
    if status == 403:
        assert answer.json["error"]["code"] == "forbidden"


@pytest.mark.parametrize(("name", "status"), [("reader", 403), ("consultant", 403), ("admin", 200)])
def test_a_page_for_some_roles_is_closed_to_the_others(cast: Cast, name: str, status: int) -> None:
    assert getattr(cast, name).client.get("/probe/admin").status_code == status
