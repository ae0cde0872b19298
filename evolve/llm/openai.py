"""OpenAI and all that speaks its protocols: Responses and Chat Completions, by base URL.

Responses is the default where the base URL is OpenAI's own; other servers (vLLM, llama.cpp,
Ollama, OpenRouter, gateways) are asked through Chat Completions, which all of them know.
"""

from __future__ import annotations

from typing import Any

import openai

from evolve.llm import wire
from evolve.llm.base import CallError, Completion, Finish, Options, Request, Usage
from evolve.llm.errors import clean
from evolve.llm.wire import count, objects, text

HOME = "https://api.openai.com/v1"
_ID = "x-request-id"
_ERRORS = (openai.APIStatusError, openai.APIError)
_FINISHES = {
    "stop": Finish.COMPLETE, "length": Finish.LENGTH, "content_filter": Finish.REFUSED,
    "max_output_tokens": Finish.LENGTH,
}  # fmt: skip


class OpenAIClient:
    """One model behind the OpenAI protocols."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._base_url = options.base_url or HOME
        own = self._base_url.rstrip("/") == HOME
        self._responses = options.api == "responses" or (own and options.api == "")
        self._client = openai.AsyncOpenAI(
            # a server without keys must be given some text all the same
            api_key=options.key or "none",
            base_url=self._base_url,
            max_retries=0,
            timeout=wire.timeouts(options),
            http_client=openai.DefaultAsyncHttpxClient(**wire.http_options(options)),
        )

    async def complete(self, request: Request) -> Completion:
        if self._responses:
            return await self._respond(request)
        return await self._chat(request)

    async def check(self) -> None:
        raw = self._client.models.with_streaming_response
        await wire.check(
            raw.retrieve(self._options.name), raw.list, _ERRORS, self._options, self._base_url
        )

    async def close(self) -> None:
        await self._client.close()

    async def _respond(self, request: Request) -> Completion:
        options = self._options
        body: dict[str, Any] = {
            "model": options.name,
            "instructions": request.fixed,
            "input": wire.opening(request),
            "max_output_tokens": options.max_output_tokens,
            "store": False,
        }
        if options.stream:
            body["stream"] = True
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.effort:
            body["reasoning"] = {"effort": options.effort}
        sending = wire.posting(self._client, "/responses", body)
        reply = await wire.fetch(sending, errors=_ERRORS, options=options, id_header=_ID)
        found = (
            self._last_response(reply)
            if wire.streamed(reply, asked=options.stream)
            else wire.json_object(reply)
        )
        return self._read_response(reply, found)

    def _last_response(self, reply: wire.Reply) -> dict[str, Any]:
        for event in wire.events(reply):
            kind = event.get("type")
            if kind in ("response.completed", "response.incomplete", "response.failed"):
                response = event.get("response")
                if isinstance(response, dict):
                    return response
            if kind == "error":
                raise self._failed(event, reply)
        raise reply.unreadable("the stream ended before the answer did")

    def _read_response(self, reply: wire.Reply, body: dict[str, Any]) -> Completion:
        if body.get("status") == "failed" or body.get("error"):
            raise self._failed(body, reply)
        if not isinstance(body.get("output"), list):
            raise reply.unreadable("the answer has no output")
        parts: list[str] = []
        refused = False
        for item in objects(body["output"]):
            for content in objects(item.get("content")) if item.get("type") == "message" else ():
                if content.get("type") == "output_text":
                    parts.append(text(content.get("text")))
                refused |= content.get("type") == "refusal"
        status = body.get("status", "completed")
        why = body.get("incomplete_details")
        reason = why.get("reason") if isinstance(why, dict) else None
        if status == "incomplete":
            finish = _FINISHES.get(str(reason), Finish.OTHER)
        else:
            finish = Finish.COMPLETE if status == "completed" else Finish.OTHER
        usage = body.get("usage")
        return wire.completion(
            reply,
            answer="".join(parts),
            finish=Finish.REFUSED if refused else finish,
            model=body.get("model"),
            usage=Usage(
                input=count(usage, "input_tokens"),
                cached=count(usage, "input_tokens_details", "cached_tokens"),
                written=count(usage, "input_tokens_details", "cache_write_tokens"),
                output=wire.answered(
                    usage, "output_tokens", "output_tokens_details", count(usage, "input_tokens")
                ),
                reasoning=count(usage, "output_tokens_details", "reasoning_tokens"),
            )
            if wire.says(usage, "input_tokens", "output_tokens")
            else None,
            fallback_id=body.get("id"),
        )

    async def _chat(self, request: Request) -> Completion:
        options = self._options
        # OpenAI refuses the old name of the limit for reasoning models, others know no new one
        own = self._base_url.rstrip("/") == HOME
        body: dict[str, Any] = {
            "model": options.name,
            "messages": [{"role": "system", "content": request.fixed}, *wire.opening(request)],
            "max_completion_tokens" if own else "max_tokens": options.max_output_tokens,
        }
        if options.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.effort:
            body["reasoning_effort"] = options.effort
        sending = wire.posting(self._client, "/chat/completions", body)
        reply = await wire.fetch(sending, errors=_ERRORS, options=options, id_header=_ID)
        found = (
            self._joined(reply)
            if wire.streamed(reply, asked=options.stream)
            else wire.json_object(reply)
        )
        return self._read_chat(reply, found)

    def _joined(self, reply: wire.Reply) -> dict[str, Any]:
        """The chunks of a streamed chat as the one object that a plain call gives."""
        body: dict[str, Any] = {}
        parts: list[str] = []
        refusals: list[str] = []
        finish = None
        for chunk in wire.events(reply):
            if chunk.get("error"):
                raise self._failed(chunk, reply)
            if isinstance(chunk.get("usage"), dict):
                body["usage"] = chunk["usage"]
            for name in ("model", "id"):  # some servers leave them empty in the first chunk
                body[name] = body.get(name) or chunk.get(name)
            for choice in objects(chunk.get("choices")):
                if choice.get("error"):
                    raise self._failed(choice, reply)
                if choice.get("index"):
                    continue  # one answer was asked for
                delta = choice.get("delta")
                if isinstance(delta, dict):
                    parts.append(text(delta.get("content")))
                    refusals.append(text(delta.get("refusal")))
                finish = choice.get("finish_reason") or finish
        if finish is None:
            raise reply.unreadable("the stream ended before the answer did")
        message = {"content": "".join(parts), "refusal": "".join(refusals)}
        return {**body, "choices": [{"message": message, "finish_reason": finish}]}

    def _read_chat(self, reply: wire.Reply, body: dict[str, Any]) -> Completion:
        if body.get("error"):
            raise self._failed(body, reply)  # gateways send errors with status 200
        choice = next(objects(body.get("choices")), None)
        message = choice.get("message") if choice else None
        if choice is None or not isinstance(message, dict):
            raise reply.unreadable("the answer has no choices")
        if choice.get("error"):
            raise self._failed(choice, reply)  # a gateway whose model failed
        content = message.get("content")
        answer = text(content)
        if isinstance(content, list):
            kinds = ("text", "output_text")
            answer = "".join(
                text(p.get("text")) for p in objects(content) if p.get("type") in kinds
            )
        finish = _FINISHES.get(str(choice.get("finish_reason")), Finish.OTHER)
        usage = body.get("usage")
        return wire.completion(
            reply,
            answer=answer,
            finish=Finish.REFUSED if message.get("refusal") else finish,
            model=body.get("model"),
            usage=Usage(
                input=count(usage, "prompt_tokens"),
                cached=count(usage, "prompt_tokens_details", "cached_tokens"),
                written=count(usage, "prompt_tokens_details", "cache_write_tokens"),
                output=wire.answered(
                    usage,
                    "completion_tokens",
                    "completion_tokens_details",
                    count(usage, "prompt_tokens"),
                ),
                reasoning=count(usage, "completion_tokens_details", "reasoning_tokens"),
            )
            if wire.says(usage, "prompt_tokens", "completion_tokens")
            else None,
            fallback_id=body.get("id"),
        )

    def _failed(self, body: dict[str, Any], reply: wire.Reply) -> CallError:
        """An error that came with status 200: what was spent before it, nobody says."""
        error = body.get("error") if isinstance(body.get("error"), dict) else body
        said = (text(error.get("message")) or text(error.get("code"))) if error else ""
        return reply.unreadable(f"the server failed: {clean(said or 'unknown', self._options.key)}")
