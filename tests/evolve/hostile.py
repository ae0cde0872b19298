"""Texts that would run in a browser, command a terminal, or never end; and a run full of them."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from msgspec import structs

from islands_db import (
    Axis,
    Call,
    CallState,
    Fate,
    Outcome,
    ProgramText,
    Sample,
    Settings,
    Status,
    Store,
    Verdict,
)

BROWSER = [
    "<script>window.pwned=1</script>",
    "</title><script>window.pwned=1</script>",
    "</style><script>window.pwned=1</script>",
    "</pre></code></textarea><script>window.pwned=1</script>",
    "--><script>window.pwned=1</script><!--",
    "]]><script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=1">',
    "'><img src=x onerror='window.pwned=1'>",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1>",
    "<svg><script>window.pwned=1</script></svg>",
    "<svg><animate onbegin=window.pwned=1 attributeName=x dur=1s>",
    "<svg><set attributeName=onmouseover to=window.pwned=1>",
    '<svg><use href="data:image/svg+xml,<svg onload=window.pwned=1>">',
    "<math><mtext><script>window.pwned=1</script>",
    "<body onload=window.pwned=1>",
    "<details open ontoggle=window.pwned=1>",
    "<input autofocus onfocus=window.pwned=1>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'>",
    "<iframe src=javascript:parent.pwned=1>",
    "<object data='javascript:window.pwned=1'>",
    "<embed src='javascript:window.pwned=1'>",
    "<a href='javascript:window.pwned=1' autofocus>x</a>",
    "<meta http-equiv=refresh content='0;url=javascript:window.pwned=1'>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<base href='http://127.0.0.1:9/'>",
    "<link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "<style>body{display:none}</style>",
    "<style>@import 'http://127.0.0.1:9/x.css'</style>",
    "<form action=http://127.0.0.1:9/><button>x</button></form>",
    "{{ 7 * 7 }}{% for x in range(9) %}x{% endfor %}",
    "{{ ''.__class__.__mro__ }}",
    "${window.pwned=1}`${window.pwned=1}`",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "<scr\0ipt>window.pwned=1</script>",
    "\ufeff<script>window.pwned=1</script>",
    "+ADw-script+AD4-window.pwned=1+ADw-/script+AD4-",
    "<noscript><p title='</noscript><img src=x onerror=window.pwned=1>'>",
    "![x](http://127.0.0.1:9/x.png) [x](javascript:window.pwned=1) <http://127.0.0.1:9/>",
    "```\n</pre><script>window.pwned=1</script>\n````\n# heading\n| a | b |",
    "<div><template shadowrootmode=open><script>window.pwned=1</script></template></div>",
    "<svg><foreignObject><iframe srcdoc='<script>parent.pwned=1</script>'></foreignObject></svg>",
    "<svg><image href=http://127.0.0.1:9/x.svg /></svg><img srcset='http://127.0.0.1:9/x.png 1x'>",
    "<marquee onstart=window.pwned=1><video><source onerror=window.pwned=1></video>",
    "<form id=document><input name=cookie><img name=getElementById></form>",
    "<button popovertarget=x>x</button><p id=x popover onbeforetoggle=window.pwned=1>",
    "<p onanimationstart=window.pwned=1 style='animation:x 1s'><style>@keyframes x{}</style>",
    "<xmp><plaintext></xmp><listing><script>window.pwned=1</script>",
    "<a ping=http://127.0.0.1:9/ href=# id=location>x</a><a href=http://127.0.0.1:9/ target=_top>",
    "<!--><script>window.pwned=1</script>--!><![CDATA[<script>window.pwned=1</script>",
    "javascript:/*--></title></style></textarea></script>*/window.pwned=1//",
    "__proto__",
    "constructor",
    "</__proto__><script>window.pwned=1</script>",
    "$\\frac{1}{$ \\input{/etc/passwd} $\\nonsense$ ^_{",
    "[x]: javascript:window.pwned=1\n[x] ![a][x] <details><summary>x</summary> ~~~\n\\</pre>",
    "%s%n%(x)s {0.__class__} {x!r:>{y}}",
]
TERMINAL = [
    "\x1b]0;pwned\x07",
    "\x1b[2J\x1b[H",
    "\x1b[31;1mred\x1b[0m",
    "\x1b[?1049h",
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1b]8;;http://127.0.0.1:9/\x1b\\link\x1b]8;;\x1b\\",
    '\x1bP$q"p\x1b\\',
    "\x1b[6n\x1b[c\x1b[5i",
    "\x9b31mC1",
    "\x90q\x9c",
    "safe\rforged",
    "abc\b\b\bforged",
    "\x07\x07\x0e\x0f\x7f",
    "a\x00b",
    "\u202egnp.exe\u202c",
    "\u2066\u2067\u2068\u2069isolates",
    "\u200bzero\u200dwidth\u2060\ufeff",
    "a\u2028b\u2029c\u0085d",
    "z\u0301\u0302\u0303" + "\u0335" * 200,
    "\x1b_Ga=T,f=24,s=1,v=1;AAAA\x1b\\",
    "\x1b]1337;File=inline=1:AAAA\x07\x1b]9;pwned\x07\x1b]777;notify;a;b\x07",
    "\x1b[201~\nrm -rf x\n\x1b[200~",
    "\x1bc\x1b#8\x1b(0lqk\x1b[?5h\x1b[3J",
    "\x1b[1;1Hforged\x1b[8mhidden",
    "\x9d0;pwned\x9c\x84\x85\x8e\x8f",
    "\x1b",
    "\x1b[",
    "\x05\x11\x13\x18\x1a\x1c",
    "\u061c\u200e\u200f\u202a\u202b\u202dmarks",
    "\U000e0001\U000e0041\U000e0042\U000e007f tags",
    "\ufff9note\ufffahidden\ufffb \u00ad\u180e\u0600",
    "\u3164\u115f\uffa0\u2800\ufe0f\u034f blank",
    "\u4e00\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467" * 99,
    "[bold red]x[/] [link=http://127.0.0.1:9/]x[/link] [/nope] [@click=app.quit]x[/]",
    "\n" * 5000 + "far below",
    "\t" * 5000 + "far right\v\f",
    "/" * 5000 + "../" * 99,
    "- looks\n+ like\n@@ -1,9999999999 +1 @@\n--- a/x\n+++ b/x\n\\ No newline",
    "x" * 1_000_000,
]
ALL = [*BROWSER, *TERMINAL]
SETTINGS = Settings(
    islands=2,
    axes=(Axis(name=BROWSER[6], low=0, high=1, cells=4), Axis(name="$x$", low=0, high=1, cells=4)),
    migration_every=3,
)


def text_of(index: int) -> ProgramText:
    """A program that holds the text; what a file cannot hold is left out of it, as a run does."""
    text = ALL[index].replace("\0", "").replace("\r", " ")[:200_000]
    code = f"# EVOLVE-BLOCK-START\nx = {index}  # {text}\n# EVOLVE-BLOCK-END\n"
    digest = sha256(code.encode()).hexdigest()
    return ProgramText(hash=digest, syntax_hash=digest, files={"program.py": code}, length=3)


def write_run(folder: Path) -> None:
    """A run in which every field that anyone can fill holds a hostile text, each text in each."""
    folder.mkdir(parents=True)
    meta = {
        "problem": BROWSER[0],
        "folder": TERMINAL[0],
        "objectives": ["min distance"],
        "parameters": {text: text for text in ALL[:-1]},
        "identity": {text: text for text in ALL[:-1]},
        "config": {"problem": BROWSER[0]},
        "seed": 1,
        "unsafe": True,
        "created": TERMINAL[2],
        "elapsed_s": 1.5,
        "hint": BROWSER[2] + TERMINAL[5],
        "baselines": [{"name": text, "values": {"distance": 3.0}} for text in ALL[:-1]],
        "references": [
            {"name": text, "value": 2.0, "kind": "published", "source": text} for text in ALL[:-1]
        ],
    }
    store = Store.create(folder / "run.db", settings=SETTINGS, meta=json.loads(json.dumps(meta)))
    with store.atomic():
        for index, text in enumerate(ALL):
            _attempt(store, index, text)
        store.event("test", {"program": len(ALL), "seed": 7, "seed_program": 1, "baselines": [
            {"name": text, "values": {"distance": 3.0}} for text in ALL[:-1]]})  # fmt: skip
        for text in ALL[:-1]:
            store.event(text[:5000], {text: [text, {"program": text}]})
        store.event("ended", {"reason": ALL[0] + TERMINAL[0]})
        store.event("pause", {"x": TERMINAL[1]})
    store.close()
    (folder / "picture.svg").write_text(
        f"<svg xmlns='http://www.w3.org/2000/svg'>{BROWSER[0]}</svg>"
    )
    (folder / "certificate.json").write_text(
        json.dumps({"format": BROWSER[0], "problem": BROWSER[1]})
    )


def _attempt(store: Store, index: int, text: str) -> None:
    first = index == 0
    store.begin(
        Sample(
            attempt=index,
            island=index % 2,
            parent=None if first else index,
            inspirations=() if first else (index,),
            proposer="seed" if first else text[:5000],
            note=text,
        )
    )
    call = Call(
        attempt=index, turn=0, model=text[:5000], template=text[:5000], prompt=text[:5000],
        reserve_usd=0.01,
    )  # fmt: skip
    ended = structs.replace(
        call, state=CallState.ANSWERED, cost_usd=0.001, finish=text[:5000], reason=text,
        answered_by=text[:5000], request_id=text[:5000], answer=text,
    )  # fmt: skip
    store.end_call(store.open_call(call), ended)
    values = {"distance": 100.0 - index, text[:5000]: 1.0}
    verdicts = tuple(
        Verdict(
            stage=text[:5000], split=split, status=Status.OK, reason=text, feedback=text,
            stderr=text, tier=text[:5000], values=values, exact={text[:5000]: text[:5000]},
            features={text[:5000]: 0.5}, fitness=index - 100.0, seed=7,
        )
        for split in ("training", "validation", "test")
    )  # fmt: skip
    store.settle(
        index,
        Outcome(
            fate=Fate.SEED if first else Fate.EVALUATED,
            reason=text, operator=text[:5000], diff=text, program=text_of(index),
            verdicts=verdicts[:1], rung=1, fitness=index - 100.0, cost_usd=0.01,
            features={BROWSER[6]: 0.5, "$x$": 0.2},
        ),
    )  # fmt: skip
    store.add_verdicts(index + 1, verdicts[1:])
