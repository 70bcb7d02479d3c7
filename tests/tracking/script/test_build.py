"""The tool that makes tracker.js smaller changes nothing else, and refuses what it cannot be sure of."""

import pytest

from alice.tracking.script.build import NotUnderstood, minified, script


@pytest.mark.parametrize(
    ("source", "short"),
    [
        ("const a = 1; // why\n/* and\nhow */ use(a);", "let r=1;use(r)"),
        ("const first = 1;\nconst second = first + 2;\nuse(second);", "let r=1,t=r+2;use(t)"),
        ("const A_DAY = 86400; const wait = (days) => days * A_DAY;", "let t=r=>r*86400"),
        ("const name = { name: given.name }; use(name.name);", "let r={name:given.name};use(r.name)"),
        ("const is = (test) => test ? test : other;", "let t=r=>r?r:other"),
        ("const f = (...all) => { const x = all; return x; };", "let n=(...r)=>{let t=r;return t}"),
        ("const text = 'a // b';\nuse(text);", "let r='a // b';use(r)"),
        (r"const found = /[/\]]{2} /g.test(word);", r"let r=/[/\]]{2} /g.test(word)"),
        ("const sum = (left, right) => left + +right - -left;", "let n=(r,t)=>r+ +t- -r"),
        ("if (one) { const a = 1; use(a); } else use(2);", "if(one){let r=1;use(r)}else use(2)"),
        ("use([1, 2,], { is: true, not: undefined, });", "use([1,2],{is:!0,not:void 0})"),
    ],
)  # fmt: skip
def test_a_program_stays_what_it_was(source: str, short: str) -> None:
    assert minified(source) == short


@pytest.mark.parametrize(
    "source",
    [
        "const name = 1; use({ name });",
        "const name = 1; use({ other: 2, name });",
        "const text = `a ${template}`;",
        "const text = 'open;",
    ],
)
def test_what_it_cannot_be_sure_of_is_refused(source: str) -> None:
    with pytest.raises(NotUnderstood):
        minified(source)


def test_it_makes_the_same_file_each_time() -> None:
    first = script()
    script.cache_clear()

    assert script() == first
