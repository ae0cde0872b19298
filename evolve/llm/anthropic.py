"""Anthropic's Messages; the fixed part of a prompt is marked for the vendor's cache."""

from __future__ import annotations

from typing import Any

import anthropic

from evolve.llm import wire
from evolve.llm.base import CallError, Completion, Finish, Options, Request, Usage
from evolve.llm.errors import clean
from evolve.llm.wire import count, objects, text

HOME = "https://api.anthropic.com"
_ID = "request-id"
_ERRORS = (anthropic.APIStatusError, anthropic.APIError)
_FINISHES = {
    "end_turn": Finish.COMPLETE, "stop_sequence": Finish.COMPLETE, "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH, "refusal": Finish.REFUSED,
}  # fmt: skip


class AnthropicClient:
    """One model behind the Messages API."""

    def __init__(self, options: Options) -> None:
        self._options = options
        # the SDK adds /v1 itself; people know addresses with it from the other protocol
        self._base_url = (options.base_url or HOME).rstrip("/").removesuffix("/v1")
        self._client = anthropic.AsyncAnthropic(
            # without one the SDK would look for other credentials by itself
            api_key=options.key or "none",
            base_url=self._base_url,
            max_retries=0,
            timeout=wire.timeouts(options),
            http_client=anthropic.DefaultAsyncHttpxClient(**wire.http_options(options)),
        )

    async def complete(self, request: Request) -> Completion:
        options = self._options
        body: dict[str, Any] = {
            "model": options.name,
            "max_tokens": options.max_output_tokens,
            "system": [
                {"type": "text", "text": request.fixed, "cache_control": {"type": "ephemeral"}}
            ],
            "messages": wire.opening(request),
        }
        if options.stream:
            body["stream"] = True
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.effort:
            body["output_config"] = {"effort": options.effort}
        sending = wire.posting(self._client, "/v1/messages", body)
        reply = await wire.fetch(sending, errors=_ERRORS, options=options, id_header=_ID)
        found = (
            self._joined(reply)
            if wire.streamed(reply, asked=options.stream)
            else wire.json_object(reply)
        )
        return self._read(reply, found)

    async def check(self) -> None:
        raw = self._client.models.with_streaming_response
        await wire.check(
            raw.retrieve(self._options.name), raw.list, _ERRORS, self._options, self._base_url
        )

    async def close(self) -> None:
        await self._client.close()

    def _joined(self, reply: wire.Reply) -> dict[str, Any]:
        """The events of a stream as the one object that a plain call gives."""
        body: dict[str, Any] | None = None
        usage: dict[str, Any] = {}
        blocks: dict[int, dict[str, Any]] = {}
        parts: dict[int, list[str]] = {}
        stop_reason: object = None
        ended = False
        for event in wire.events(reply):
            kind = event.get("type")
            if kind == "error":
                raise self._failed(event, reply)
            if kind == "message_start" and isinstance(event.get("message"), dict):
                body = dict(event["message"])
                before = body.get("usage")
                # how much was written is not known before the end
                started = {**before, "output_tokens": None} if isinstance(before, dict) else {}
                usage = {**started, **usage}
            if kind == "content_block_start" and isinstance(event.get("content_block"), dict):
                blocks[count(event, "index")] = dict(event["content_block"])
            delta = event.get("delta")
            if kind == "content_block_delta" and isinstance(delta, dict):
                index = count(event, "index")
                blocks.setdefault(index, {"type": "text"})
                if delta.get("type") == "text_delta":
                    parts.setdefault(index, []).append(text(delta.get("text")))
            if kind == "message_delta":
                if isinstance(delta, dict):
                    stop_reason = delta.get("stop_reason")
                if isinstance(event.get("usage"), dict):
                    # the last event's counts are totals and replace the first one's
                    usage |= event["usage"]
            ended |= kind == "message_stop"
        if body is None or not ended:
            raise reply.unreadable("the stream ended before the answer did")
        for index, block in blocks.items():
            block["text"] = text(block.get("text")) + "".join(parts.get(index, []))
        content = [blocks[index] for index in sorted(blocks)]
        return {**body, "content": content, "stop_reason": stop_reason, "usage": usage}

    def _read(self, reply: wire.Reply, body: dict[str, Any]) -> Completion:
        if body.get("type") == "error" or body.get("error"):
            raise self._failed(body, reply)
        if not isinstance(body.get("content"), list):
            raise reply.unreadable("the answer has no content")
        parts = [text(b.get("text")) for b in objects(body["content"]) if b.get("type") == "text"]
        usage = body.get("usage")
        cached = count(usage, "cache_read_input_tokens")
        written = count(usage, "cache_creation_input_tokens")
        return wire.completion(
            reply,
            answer="".join(parts),
            finish=_FINISHES.get(str(body.get("stop_reason")), Finish.OTHER),
            model=body.get("model"),
            usage=Usage(
                input=count(usage, "input_tokens") + cached + written,
                cached=cached,
                written=written,
                output=count(usage, "output_tokens"),
                reasoning=count(usage, "output_tokens_details", "thinking_tokens"),
            )
            if wire.says(usage, "input_tokens", "output_tokens")
            else None,
            fallback_id=body.get("id"),
        )

    def _failed(self, body: dict[str, Any], reply: wire.Reply) -> CallError:
        """An error in the middle of a stream: what was spent before it, nobody says."""
        error = body.get("error")
        said = text(error.get("message")) if isinstance(error, dict) else ""
        return reply.unreadable(f"the server failed: {clean(said or 'unknown', self._options.key)}")
