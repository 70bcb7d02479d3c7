"""The tool that makes tracker.js smaller changes nothing else, and refuses what it cannot be sure of."""

import pytest

from alice.tracking.script.build import NotUnderstood, _short_names, minified, script


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
        ("/^a/.test(word); use(1);", "/^a/.test(word);use(1)"),
        ("const a = (b) / 2 / c; const d = [1] / 2;", "let r=(b)/2/c,t=[1]/2"),
        ("const e = 'x' / /y/g;", "let r='x'/ /y/g"),
        ("use(a - --b, a-- - b, a + ++b, a++ + b);", "use(a- --b,a---b,a+ ++b,a+++b)"),
        ("use(x.undefined, undefined, x?.y, x ?? y);", "use(x.undefined,void 0,x?.y,x??y)"),
        ("const A = 'x'; const B = 5; const c = A + A + B; use(c);", "let r='x'+'x'+5;use(r)"),
        (
            "const one = 1; const two = 2; use(two, two, one); const three = 3; let four; use(three, four);",
            "let t=1,r=2;use(r,r,t);let n=3,f;use(n,f)",
        ),
        (
            "const shared = 1; const f = (a, b, c) => a + b + c + shared; use(f(1, 2, 3), shared);",
            "let f=1,i=(r,t,n)=>r+t+n+f;use(i(1,2,3),f)",
        ),
        ("use(r, t); const a = 1; use(a, n);", "use(r,t);let f=1;use(f,n)"),
        (
            "if (one) { const a = 1; use(a); } const b = 2; use(b, (c) => c);",
            "if(one){let r=1;use(r)}let t=2;use(t,r=>r)",
        ),
        (
            "for (const a of all) { use(a); } for (const b of all) use(b); "
            "if (one) { two(); } else { const c = 3; use(c); }",
            "for(let r of all){use(r)}for(let r of all)use(r);if(one){two()}else{let r=3;use(r)}",
        ),
        (
            "const f = () => { const a = 1; const b = 2; use(a); const c = 3; return a + b + c; }; "
            "const g = (x) => x;",
            "let f=()=>{let r=1,t=2;use(r);let n=3;return r+t+n},i=r=>r",
        ),
        (
            "const f = (a) => { if (a) { const b = 1; use(b); } const c = 2; use(c); }; "
            "if (q) f(1); const z = 0; use(z);",
            "let f=r=>{if(r){let t=1;use(t)}let n=2;use(n)};if(q)f(1);let i=0;use(i)",
        ),
        (
            "function go(first, ...rest) { return first(rest); } go(function (a, b) { return a - b; });",
            "function r(first,...rest){return first(rest)}r(function(t,n){return t-n})",
        ),
        ("const f = (a, b = g((c) => c), { d: e } = {}) => a + b;", "let f=(t,n=g(r=>r),{d:e}={})=>t+n"),
        (
            "if (one) { const a = 1; use(a); } else { const b = 2; use(b); } use(3);",
            "if(one){let r=1;use(r)}else{let t=2;use(t)}use(3)",
        ),
        (
            "use(1); if (one) { const a = 1; use(a); } const b = (c) => c; use(b(2), b);",
            "use(1);if(one){let r=1;use(r)}let t=r=>r;use(t(2),t)",
        ),
        ("use(((a, b) => a(b))(1, (2)));", "use(((r,t)=>r(t))(1,(2)))"),
        (
            "const f = async (a) => { await a; for (;;) { break; } try { throw a; } catch { return; } };",
            "let t=async r=>{await r;for(;;){break}try{throw r}catch{return}}",
        ),
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
        "const f = ({ name }) => name;",
        "use) => 1;",
    ],
)
def test_what_it_cannot_be_sure_of_is_refused(source: str) -> None:
    with pytest.raises(NotUnderstood):
        minified(source)


def test_there_are_enough_short_names_and_none_is_a_word() -> None:
    names = _short_names({"r"})

    assert len(names) == len({*names}) > 2000
    assert (names[0], names[51]) == ("t", "rr")
    assert not {"r", "do", "if", "in", "of"} & {*names}


def test_it_makes_the_same_file_each_time() -> None:
    first = script()
    script.cache_clear()

    assert script() == first
