"""The tool that makes tracker.js smaller changes nothing else, and refuses what it cannot be sure of."""

import pytest

from alice.tracking.script.build import NotUnderstood, minified, script


@pytest.mark.parametrize(
    ("source", "short"),
    [
        ("const a = 1; // why\n/* and\nhow */ use(a);", "let a=1;use(a)"),
        ("const first = 1;\nconst second = first + 2;\nuse(second);", "let s=1,c=s+2;use(c)"),
        ("const A_DAY = 86400; const wait = (days) => days * A_DAY;", "let s=a=>a*86400"),
        ("const name = { name: given.name }; use(name.name);", "let e={name:given.name};use(e.name)"),
        ("const is = (test) => test ? test : other;", "let s=t=>t?t:other"),
        ("const f = (...all) => { const x = all; return x; };", "let t=(...l)=>{let n=l;return n}"),
        ("const text = 'a // b';\nuse(text);", "let t='a // b';use(t)"),
        (r"const found = /[/\]]{2} /g.test(word);", r"let o=/[/\]]{2} /g.test(word)"),
        ("const sum = (left, right) => left + +right - -left;", "let f=(t,e)=>t+ +e- -t"),
        ("if (one) { const a = 1; use(a); } else use(2);", "if(one){let e=1;use(e)}else use(2)"),
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
