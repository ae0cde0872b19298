"""A loopback server that speaks as both vendors do, with latency, faults and a ledger of its own.

It stands for the vendor, never for our code, and what is reached with its answers says nothing of
language models: they come from the tree proposer. It runs as its own process:

    python -m benchmarks.vendor --ledger FILE [--latency 0.5] [--faults 0.3] ...

prints one line of JSON with its port and serves until its standard input closes. The ledger has a
line for each request it took up and one when it is done with it: what it bills, and whether the
body was sent whole. It bills whatever it generated, also what was then lost on the way.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import random
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from evolve import diff, tree
from evolve.program import Program

KEYS = {"openai": "sk-loopback-openai-key", "anthropic": "sk-ant-loopback-key"}
MODELS = ("loopback", "loopback-small")
PRICES = {"loopback": (2.0, 0.2, 10.0), "loopback-small": (0.4, 0.04, 2.0)}
"""USD per million tokens: input, cached, output."""
REFUSALS = ("400", "401", "403", "404", "408", "409", "413", "422", "429", "429-after", "500",
            "500-echo", "502", "503", "529")  # fmt: skip
CUTS = ("reset-before", "reset-middle", "stall", "bad-json")
ODD = ("truncated", "refusal", "empty", "odd-blocks", "reasoning", "encodings", "huge")
FAULTS = REFUSALS + CUTS + ODD
_BILLED_CUTS = ("reset-middle", "stall", "bad-json")
_FENCE = re.compile(r"^(`{3,})[\w]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
_LITERAL = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
_ERROR_TYPES = {400: "invalid_request_error", 401: "authentication_error",
                403: "permission_error", 404: "not_found_error", 413: "request_too_large",
                429: "rate_limit_error", 529: "overloaded_error"}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """How the server answers."""

    latency: str = "0"
    """Seconds: "2", "lognormal:2:0.5" (median, sigma) or "pareto:1:1.5" (least, tail)."""
    faults: float = 0.0
    kinds: tuple[str, ...] = FAULTS
    answers: str = "tree"
    """"tree", or "literal": one number changed, which costs the server next to nothing."""
    stall_s: float = 5.0
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class Server:
    behaviour: Behaviour
    ledger: IO[str]
    rng: random.Random = field(init=False)
    numbers: int = 0
    seen_prefixes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.behaviour.seed)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                if not await self._answer(*request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes,
        writer: asyncio.StreamWriter,
    ) -> bool:  # fmt: skip
        vendor = "anthropic" if "anthropic-version" in headers else "openai"
        given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if given != KEYS[vendor]:
            return await self._error(writer, vendor, 401, f"invalid x-api-key or bearer {given}")
        if method == "GET":
            return await self._models(writer, vendor, path)
        kinds = {"/v1/messages": "messages", "/v1/chat/completions": "chat",
                 "/v1/responses": "responses"}  # fmt: skip
        kind = kinds.get(path.partition("?")[0])
        if kind is None or method != "POST":
            return await self._error(writer, vendor, 404, f"no such path: {path}")
        try:
            asked = json.loads(body)
            prompt, fixed, limit = _checked(kind, asked)
        except (ValueError, KeyError, TypeError) as error:
            return await self._error(writer, vendor, 400, f"bad request: {error}")
        if asked["model"] not in MODELS:
            return await self._error(writer, vendor, 404, f"model: {asked['model']}")
        return await self._complete(writer, vendor, kind, asked, prompt, fixed, limit)

    async def _complete(
        self, writer: asyncio.StreamWriter, vendor: str, kind: str, asked: dict[str, Any],
        prompt: str, fixed: str, limit: int,
    ) -> bool:  # fmt: skip
        self.numbers += 1
        number, rng = self.numbers, random.Random(f"{self.behaviour.seed}/{self.numbers}")
        fault = ""
        if rng.random() < self.behaviour.faults:
            fault = rng.choice(self.behaviour.kinds)
        name = f"req_{self.behaviour.seed}_{number}"
        digest = hashlib.sha256(f"{fixed}\0{prompt}".encode("utf-8", "replace")).hexdigest()[:16]
        entry = {"n": number, "id": name, "model": asked["model"], "prompt": digest,
                 "fault": fault, "vendor": vendor}  # fmt: skip
        self._note({**entry, "state": "taken"})
        await asyncio.sleep(_seconds(self.behaviour.latency, rng))
        if fault in REFUSALS:
            status = int(fault[:3])
            extra = "retry-after: 1\r\n" if fault == "429-after" else ""
            self._note({**entry, "state": "refused", "usd": 0.0, "whole": True})
            said = f"fault {fault}"
            if fault == "500-echo":
                said, name = f"no luck with {KEYS[vendor]}", f"{name}_{KEYS[vendor]}"
            return await self._error(writer, vendor, status, said, extra, name)
        if fault == "reset-before":
            self._note({**entry, "state": "lost", "usd": 0.0, "whole": False})
            return _reset(writer)
        text, finish, reasoning = self._text(prompt, rng, fault)
        if len(text) // 3 > limit:
            text, finish = text[: limit * 3], "length"
        cached = len(fixed) // 4 if fixed in self.seen_prefixes else 0
        self.seen_prefixes.add(fixed)
        tokens = {"input": (len(prompt) + len(fixed)) // 4 + 8, "cached": cached,
                  "output": len(text) // 3 + 1 + reasoning, "reasoning": reasoning}  # fmt: skip
        prices = PRICES[asked["model"]]
        usd = ((tokens["input"] - cached) * prices[0] + cached * prices[1]
               + tokens["output"] * prices[2]) / 1e6  # fmt: skip
        stream = bool(asked.get("stream"))
        payload = _body(kind, stream, asked["model"], text, finish, tokens, fault, name)
        if fault == "bad-json":
            payload = payload[: len(payload) // 2].rstrip(b"\n") + b"\n\n"
        head = _head(200, "text/event-stream" if stream else "application/json", len(payload), name)
        writer.write(head)
        if fault in ("reset-middle", "stall"):
            writer.write(payload[: len(payload) // 2])
            await writer.drain()
            self._note({**entry, "state": "lost", "usd": usd, "whole": False, **tokens})
            if fault == "stall":
                await asyncio.sleep(self.behaviour.stall_s)
            return _reset(writer)
        whole = True
        try:
            writer.write(payload)
            await writer.drain()
        except ConnectionError:
            whole = False
        whole = whole and not writer.transport.is_closing()
        readable = fault != "bad-json"
        self._note({**entry, "state": "sent" if readable else "lost", "usd": usd,
                    "whole": whole, **tokens})  # fmt: skip
        return whole

    def _text(self, prompt: str, rng: random.Random, fault: str) -> tuple[str, str, int]:
        reasoning = 200 if fault == "reasoning" else 0
        if fault == "empty":
            return "", "stop", 0
        if fault == "refusal":
            return "I cannot help with that.", "refusal", 0
        text = answer(prompt, rng, self.behaviour.answers)
        if fault == "truncated":
            return text[: max(1, len(text) * 2 // 3)], "length", 0
        if fault == "encodings":
            text = "Ça marche — “voilà” \u2028 \U0001f600 \ufeff\n" + text
        if fault == "huge":
            text = ("A long thought about packing. " * 40 + "\n") * 1000 + text
        return text, "stop", reasoning

    async def _models(self, writer: asyncio.StreamWriter, vendor: str, path: str) -> bool:
        listed = [
            {"id": m, "object": "model", "type": "model", "created": 0, "owned_by": "loopback",
             "display_name": m, "created_at": "2025-01-01T00:00:00Z"}
            for m in MODELS
        ]  # fmt: skip
        name = path.partition("?")[0].removeprefix("/v1/models").strip("/")
        if not path.startswith("/v1/models"):
            return await self._error(writer, vendor, 404, f"no such path: {path}")
        if not name:
            found: object = {"object": "list", "data": listed, "has_more": False}
        elif name in MODELS:
            found = next(entry for entry in listed if entry["id"] == name)
        else:
            return await self._error(writer, vendor, 404, f"model: {name}")
        payload = json.dumps(found).encode()
        writer.write(_head(200, "application/json", len(payload), "req_models") + payload)
        await writer.drain()
        return True

    async def _error(
        self, writer: asyncio.StreamWriter, vendor: str, status: int, message: str,
        extra: str = "", name: str = "req_refused",
    ) -> bool:  # fmt: skip
        error = {"type": _ERROR_TYPES.get(status, "api_error"), "message": message}
        body = {"error": {**error, "code": None, "param": None}}
        if vendor == "anthropic":
            body = {"type": "error", "error": error, "request_id": name}  # type: ignore[dict-item]
        payload = json.dumps(body).encode()
        writer.write(_head(status, "application/json", len(payload), name, extra) + payload)
        await writer.drain()
        return True

    def _note(self, entry: dict[str, Any]) -> None:
        self.ledger.write(json.dumps({**entry, "at": time.time()}) + "\n")
        self.ledger.flush()


def answer(prompt: str, rng: random.Random, how: str) -> str:
    """A change to the program a prompt shows first, in the form that the prompt asks for."""
    start = prompt.find("## The program to start from")
    shown = [m[2] for m in _FENCE.finditer(prompt, max(0, start)) if "EVOLVE-BLOCK-START" in m[2]]
    if not shown:
        tried = prompt.count("became program")
        return f"Of {tried} attempts shown, {prompt.count(': better, ')} did better."
    parent = Program.of({"program.py": shown[0]})
    child = _mutated(parent, [Program.of({"program.py": text}) for text in shown[1:4]], rng, how)
    if child is None:
        return "I find nothing to change."
    if "<<<<<<< SEARCH" in prompt:
        return f"A small change.\n\n```python\n{diff.between(parent, child)}\n```\n"
    fence = "`" * (
        3 + max((len(r) for r in re.findall("`+", child.files["program.py"])), default=0)
    )
    return f"The whole program.\n\n{fence}python\n{child.files['program.py']}{fence}\n"


def _mutated(
    parent: Program, others: list[Program], rng: random.Random, how: str
) -> Program | None:
    text = parent.files["program.py"]
    first = text.index("EVOLVE-BLOCK-START")
    places = list(_LITERAL.finditer(text, first, text.index("EVOLVE-BLOCK-END")))
    if how == "tree" or not places:
        try:
            return tree.propose(parent, others, rng, max_length=300).program
        except tree.TreeError:
            return None
    place = rng.choice(places)
    # no whole number: one that comes to stand behind ** lets every later answer run into its limit
    new = f"{text[: place.start()]}{rng.uniform(0, 100):.9f}{text[place.end() :]}"
    return Program.of({"program.py": new})


def _checked(kind: str, asked: dict[str, Any]) -> tuple[str, str, int]:
    """Prompt, fixed part and limit of a request, if it is one that the vendor would take."""
    if kind == "responses":
        turns, fixed = asked["input"], asked["instructions"]
        limit = asked["max_output_tokens"]
    elif kind == "chat":
        first, *turns = asked["messages"]
        if first["role"] != "system":
            raise ValueError("the first message is not the system's")
        fixed, limit = first["content"], asked.get("max_tokens") or asked["max_completion_tokens"]
    else:
        turns, limit = asked["messages"], asked["max_tokens"]
        (block,) = asked["system"]
        if block["cache_control"] != {"type": "ephemeral"}:
            raise ValueError("cache_control")
        fixed = block["text"]
    roles = [turn["role"] for turn in turns]
    if not roles or any(role != ("user", "assistant")[i % 2] for i, role in enumerate(roles)):
        raise ValueError(f"roles {roles}")
    if not isinstance(limit, int) or limit < 1 or not all(t["content"] for t in turns):
        raise ValueError("an empty message or no limit")
    return "\n".join(turn["content"] for turn in turns), fixed, limit


def _body(
    kind: str, stream: bool, model: str, text: str, finish: str, tokens: dict[str, int],
    fault: str, name: str,
) -> bytes:  # fmt: skip
    make = {"messages": _messages, "chat": _chat, "responses": _responses}[kind]
    return make(stream, model, text, finish, tokens, fault, name)


def _messages(
    stream: bool, model: str, text: str, finish: str, tokens: dict[str, int], fault: str, name: str
) -> bytes:
    stop = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal"}[finish]
    usage = {"input_tokens": tokens["input"] - tokens["cached"],
             "cache_read_input_tokens": tokens["cached"], "cache_creation_input_tokens": 0,
             "output_tokens": tokens["output"],
             "output_tokens_details": {"thinking_tokens": tokens["reasoning"]}}  # fmt: skip
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    if fault == "reasoning":
        thought = {"type": "thinking", "thinking": "<<<<<<< SEARCH no", "signature": "x"}
        blocks = [thought, {"type": "redacted_thinking", "data": "zz"}, *blocks]
    if fault == "odd-blocks":
        blocks = [{"type": "server_tool_use", "id": "t", "name": "x", "input": {}}, *blocks,
                  {"type": "something_new", "payload": [1, None]}]  # fmt: skip
    message = {"id": f"msg_{name}", "type": "message", "role": "assistant", "model": model,
               "content": blocks, "stop_reason": stop, "stop_sequence": None,
               "usage": usage}  # fmt: skip
    if not stream:
        return json.dumps(message).encode()
    start = {**message, "content": [], "stop_reason": None,
             "usage": {**usage, "output_tokens": 1}}  # fmt: skip
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        parts = _pieces(block["text"]) if block["type"] == "text" else []
        opening = {**block, "text": ""} if block["type"] == "text" else block
        events.append({"type": "content_block_start", "index": index, "content_block": opening})
        events += [
            {"type": "content_block_delta", "index": index,
             "delta": {"type": "text_delta", "text": part}}
            for part in parts
        ]  # fmt: skip
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None},
                   "usage": {"output_tokens": tokens["output"]}})  # fmt: skip
    events.append({"type": "message_stop"})
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()


def _chat(
    stream: bool, model: str, text: str, finish: str, tokens: dict[str, int], fault: str, name: str
) -> bytes:
    usage = {"prompt_tokens": tokens["input"], "completion_tokens": tokens["output"],
             "total_tokens": tokens["input"] + tokens["output"],
             "prompt_tokens_details": {"cached_tokens": tokens["cached"]},
             "completion_tokens_details": {"reasoning_tokens": tokens["reasoning"]}}  # fmt: skip
    reason = {"stop": "stop", "length": "length", "refusal": "content_filter"}[finish]
    head = {"id": f"chatcmpl_{name}", "created": 0, "model": model}
    if not stream:
        content: object = text
        if fault == "odd-blocks":
            content = [{"type": "text", "text": text}, {"type": "something_new"}]
        message = {"role": "assistant", "content": content if text else None, "refusal": None}
        if fault == "reasoning":
            message["reasoning_content"] = "<<<<<<< SEARCH no"
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return json.dumps(
            {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        ).encode()
    chunk = {**head, "object": "chat.completion.chunk"}
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": part}, None) for part in _pieces(text)]
    deltas.append(({}, reason))
    lines = [
        {**chunk, "choices": [{"index": 0, "delta": d, "finish_reason": r}]} for d, r in deltas
    ]
    lines.append({**chunk, "choices": [], "usage": usage})
    return ("".join(f"data: {json.dumps(e)}\n\n" for e in lines) + "data: [DONE]\n\n").encode()


def _responses(
    stream: bool, model: str, text: str, finish: str, tokens: dict[str, int], fault: str, name: str
) -> bytes:
    usage = {"input_tokens": tokens["input"], "output_tokens": tokens["output"],
             "total_tokens": tokens["input"] + tokens["output"],
             "input_tokens_details": {"cached_tokens": tokens["cached"]},
             "output_tokens_details": {"reasoning_tokens": tokens["reasoning"]}}  # fmt: skip
    part = {"type": "output_text", "text": text, "annotations": []}
    if finish == "refusal":
        part = {"type": "refusal", "refusal": text}
    output: list[dict[str, Any]] = [
        {"type": "message", "id": "m", "role": "assistant", "status": "completed",
         "content": [part] if text else []}
    ]  # fmt: skip
    if fault == "reasoning":
        output.insert(0, {"type": "reasoning", "id": "r", "summary": [], "content": [
            {"type": "reasoning_text", "text": "<<<<<<< SEARCH no"}]})  # fmt: skip
    if fault == "odd-blocks":
        output.append({"type": "something_new", "content": [{"type": "output_text_2"}]})
    short = finish == "length"
    response = {"id": f"resp_{name}", "object": "response", "created_at": 0, "model": model,
                "status": "incomplete" if short else "completed", "error": None,
                "incomplete_details": {"reason": "max_output_tokens"} if short else None,
                "output": output, "usage": usage}  # fmt: skip
    if not stream:
        return json.dumps(response).encode()
    last = "response.incomplete" if short else "response.completed"
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "output": [], "usage": None,
                                                  "status": "in_progress"}}
    ]  # fmt: skip
    events += [{"type": "response.output_text.delta", "delta": p} for p in _pieces(text)]
    events.append({"type": last, "response": response})
    return "".join(
        f"event: {e['type']}\ndata: {json.dumps({**e, 'sequence_number': i})}\n\n"
        for i, e in enumerate(events)
    ).encode()


def _pieces(text: str) -> list[str]:
    return [text[i : i + 4000] for i in range(0, len(text), 4000)]


def _head(status: int, kind: str, length: int, name: str, extra: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n"
        f"x-request-id: {name}\r\nrequest-id: {name}\r\n{extra}\r\n"
    ).encode()


def _reset(writer: asyncio.StreamWriter) -> bool:
    writer.transport.abort()
    return False


def _seconds(latency: str, rng: random.Random) -> float:
    kind, _, rest = latency.partition(":")
    if kind == "lognormal":
        median, sigma = map(float, rest.split(":"))
        return rng.lognormvariate(math.log(median), sigma)
    if kind == "pareto":
        least, tail = map(float, rest.split(":"))
        return min(least * rng.paretovariate(tail), 60.0)
    return float(kind)


async def _read(
    reader: asyncio.StreamReader,
) -> tuple[str, str, dict[str, str], bytes] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return method, path, headers, body


async def serve(behaviour: Behaviour, ledger: Path, port: int) -> None:
    with ledger.open("a", encoding="utf-8") as file:
        server = Server(behaviour=behaviour, ledger=file)
        listening = await asyncio.start_server(
            server.connection, "127.0.0.1", port, limit=1 << 26, backlog=1024
        )
        print(json.dumps({"port": listening.sockets[0].getsockname()[1]}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        listening.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", default="0")
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--kinds", default=",".join(FAULTS))
    parser.add_argument("--answers", choices=["tree", "literal"], default="tree")
    parser.add_argument("--stall-s", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    behaviour = Behaviour(
        latency=given.latency, faults=given.faults, kinds=tuple(given.kinds.split(",")),
        answers=given.answers, stall_s=given.stall_s, seed=given.seed,
    )  # fmt: skip
    asyncio.run(serve(behaviour, given.ledger, given.port))


if __name__ == "__main__":
    main()
