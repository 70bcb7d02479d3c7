"""The public ids of events and visits."""

from uuid import RFC_4122, UUID

import pytest

from alice.ids import event_id, visit_id

AT = 0x017F22E279B0  # ms; the example of RFC 9562, A.6


def test_an_id_stays_what_it_was_in_the_versions_before() -> None:
    assert event_id(AT, 1, "wonderland12") == "017f22e2-79b0-7000-8000-0001378beb3d"
    assert event_id(AT, (1 << 42) - 1, "wonderland12") == "017f22e2-79b0-7fff-bfff-ffff378beb3d"
    assert visit_id(AT, 1) == "017f22e2-79b0-7000-8000-00012fcce2f3"


@pytest.mark.parametrize("number", [0, 1, 2**31, 2**42 - 1])
def test_an_id_is_a_uuid_of_version_7_that_begins_with_its_time(number: int) -> None:
    for id in (event_id(AT, number, "wonderland12"), visit_id(AT, number)):
        assert (UUID(id).version, UUID(id).variant) == (7, RFC_4122)
        assert UUID(id).int >> 80 == AT
        assert str(UUID(id)) == id


def test_each_number_and_each_site_has_an_id_of_its_own() -> None:
    ids = [event_id(AT, number, site) for site in ("wonderland12", "looking12345") for number in range(5000)]
    assert len({*ids, *(visit_id(AT, number) for number in range(5000))}) == 15_000
    assert ids[:5000] == sorted(ids[:5000])
