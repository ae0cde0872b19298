"""What a model wrote for itself before its answer, and answers that are none."""

from __future__ import annotations

import re

from evolve.answers.fences import fence_line

_NAME = r"(?:antml:)?(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis)"
_OPEN = re.compile(
    rf"\s*(?:<({_NAME}|seed:think)(?:\s[^<>]{{0,200}})?>|(\[THINK\])|(◁think▷)|(<\|begin_of_thought\|>))",
    re.IGNORECASE,
)
_CLOSE = re.compile(
    rf"(?:</({_NAME}|seed:think)>|(\[/THINK\])|(◁/think▷)|(<\|end_of_thought\|>))\s*",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"<\|channel\|>final(?:[^<]{0,80})<\|message\|>")
_LAST = re.compile(
    r"[ \t]*(?:<\|(?:im_end|endoftext|end_of_text|eot_id|eom_id|end|return)\|>|<end_of_turn>|</s>"
    r"|\[/INST\])\Z",
    re.IGNORECASE,
)
"""What ends a turn for a model, and is part of the text where a server does not know it."""
_DECLINES = re.compile(
    r"\W{0,4}(?:(?:I'?m|I am|we'?re) (?:really |very |truly )?"
    r"(?:sorry|unable|not able|not going to)"
    r"|sorry|apologies|unfortunately,? I"
    r"|I (?:can'?t|cannot|can not|won'?t|will not|must decline|have to decline|am not able))\b",
    re.IGNORECASE,
)


_LONGEST_LAST = 24
_MOST_LAST = 3


def spoken(text: str) -> tuple[str, bool]:
    """An answer without its thinking, and whether the thinking never ended.

    Tags count at the start of a line outside of code fences and edits. A closing tag without an
    opening one ends a thinking that the vendor's template had begun.
    """
    for _ in range(_MOST_LAST):
        # blanks without end behind it would be gone through once for each of them
        said = text.rstrip()
        ended = _LAST.search(said, max(0, len(said) - _LONGEST_LAST))
        if ended is None:
            break
        text = said[: ended.start()]
    final = _last(_CHANNEL, text)
    if final is not None:
        text = text[final:]
    if not any(sign in text for sign in ("<", "[/", "◁")):
        return text, False
    lines = text.split("\n")
    kept: list[str] = []
    thinking = in_fence = in_edit = False
    closed_one = False
    for line in lines:
        if thinking:
            close = _last(_CLOSE, line)
            if close is not None:
                thinking, closed_one = False, True
                kept.append(line[close:])
            continue
        opened = None if in_fence or in_edit else _OPEN.match(line)
        if opened is not None:
            close = _last(_CLOSE, line)
            thinking = close is None
            closed_one |= close is not None
            kept.append("" if close is None else line[close:])
            continue
        close = _last(_CLOSE, line) if not closed_one and _closes_all(line) else None
        if close is not None:
            # its opening tag was part of the prompt: all that stands before was thinking
            closed_one, in_fence, in_edit = True, False, False
            kept = [line[close:]]
            continue
        if line.lstrip().startswith("<<<<<"):
            in_edit = True
        elif line.lstrip().startswith(">>>>>"):
            in_edit = False
        elif not in_edit and fence_line(line) is not None:
            in_fence = not in_fence
        kept.append(line)
    return "\n".join(kept), thinking


def _last(pattern: re.Pattern[str], line: str) -> int | None:
    """Where the last match ends."""
    end = None
    for match in pattern.finditer(line):
        end = match.end()
    return end


def _closes_all(line: str) -> bool:
    """Whether the line is a closing tag, or a sentence that ends in one."""
    if "/" not in line and "end_of" not in line:
        return False
    found = _CLOSE.search(line)
    return found is not None and (found.start() == 0 or found.end() == len(line))


def declines(text: str) -> bool:
    """Whether an answer without any code begins like a refusal."""
    return _DECLINES.match(text.lstrip().replace("\u2019", "'")) is not None
