"""Where a sentence ends, and where it only seems to."""

import pytest

from alice.library.sentences import sentences


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Rabbit was late.",
        "A. Liddell was not.",
        "She saw Mr. Rabbit and Mrs. Cat, and Dr. Owl of St. Ives.",
        "Written by C. L. Dodgson and U.S. Grant at 5 p.m. London time.",
        "‘Oh dear!’ said Alice.",
        "“What for?” she asked.",
        "‘I could tell you my adventures—beginning from this morning,’ said Alice… and so on.",
        "It was … a pause ... and no end.",
        "‘Who are you?’—‘I am Alice.’",
        "Alice’s Right Foot, Esq. Hearthrug",
    ],
)
def test_a_sentence_goes_on_where_it_only_seems_to_end(text: str) -> None:
    assert cut(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Down, down, down. Would it end?", ["Down, down, down.", "Would it end?"]),
        ("‘Oh dear! I shall be late!’ She ran.", ["‘Oh dear!", "I shall be late!’", "She ran."]),
        ("“Come on!” “No, no!” They went.", ["“Come on!”", "“No, no!”", "They went."]),
        ("(So she did.) Then… Nothing.", ["(So she did.)", "Then…", "Nothing."]),
        ("It was I. Then it was you.", ["It was I.", "Then it was you."]),
        ("‘No. Never.’ ‘Why?’ 7 times.", ["‘No.", "Never.’", "‘Why?’", "7 times."]),
        ("It stopped... Then it went on.", ["It stopped...", "Then it went on."]),
    ],
)
def test_a_sentence_ends_with_its_mark_and_the_quotes_that_close_after_it(
    text: str, expected: list[str]
) -> None:
    assert cut(text) == expected


def test_nothing_has_no_sentences() -> None:
    assert cut("") == []


def test_a_long_text_without_an_end_is_one_sentence_and_takes_no_time() -> None:
    text = "and so on " * 50_000 + "to the end"

    assert cut(text) == [text]
