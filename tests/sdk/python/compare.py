"""Makes the same calls with the official Python SDKs direct and through the proxy, and compares.

    compare.py DIRECT PROXY

Both are origins. A line per case on standard output; exit 1 if any differs or is not what the
upstream said.
"""

import json
import sys

import anthropic
import openai

TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Tells the weather.",
          "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
ANTHROPIC_TOOLS = [{"name": "weather", "description": "Tells the weather.",
                    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
ASK = [{"role": "user", "content": "Say hello."}]
FAILURES = {
    "fails-auth": "AuthenticationError",
    "fails-permission": "PermissionDeniedError",
    "fails-missing": "NotFoundError",
    "fails-invalid": "BadRequestError",
    "fails-limited": "RateLimitError",
    "fails-inside": "InternalServerError",
}


def plain(value):
    """A result of an SDK as JSON data."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def error(case):
    """The exception that `case` raises: its class and everything it tells."""
    try:
        case()
    except (openai.APIStatusError, anthropic.APIStatusError) as raised:
        return {"raises": type(raised).__name__, "status": raised.status_code, "body": raised.body,
                "message": raised.message, "retry_after": raised.response.headers.get("retry-after")}
    return {"raises": None}


def openai_cases(base):
    client = openai.OpenAI(base_url=base, api_key="sk-rig", max_retries=0, timeout=20)
    chat = client.chat.completions.create
    yield "openai chat", lambda: chat(model="gpt-4o-mini", messages=ASK), "Hello there."
    yield "openai chat stream", lambda: list(chat(model="gpt-4o-mini", messages=ASK, stream=True)), '"content": " there"'
    yield "openai chat stream with usage", lambda: list(chat(
        model="gpt-4o-mini", messages=ASK, stream=True, stream_options={"include_usage": True})), '"prompt_tokens": 12'
    yield "openai chat stream without usage", lambda: list(chat(
        model="gpt-4o-mini", messages=ASK, stream=True, stream_options={"include_usage": False})), '"content": " there"'
    yield "openai tools", lambda: chat(model="gpt-4o-mini", messages=ASK, tools=TOOLS), "Bergen"
    yield "openai embeddings", lambda: client.embeddings.create(
        model="text-embedding-3-small", input=["one", "two"]), "[1.0, 2.0, 3.0]"
    yield "openai responses", lambda: client.responses.create(model="gpt-4o-mini", input="Say hello."), "Hello there."
    yield "openai responses stream", lambda: list(client.responses.create(
        model="gpt-4o-mini", input="Say hello.", stream=True)), "response.completed"
    yield "openai models", lambda: list(client.models.list()), "gpt-4o-mini"
    for model, raised in FAILURES.items():
        yield f"openai {model}", lambda model=model: error(lambda: chat(model=model, messages=ASK)), raised


def anthropic_stream(client):
    with client.messages.stream(model="claude-sonnet-4-5", max_tokens=64, messages=ASK) as stream:
        return [list(stream.text_stream), plain(stream.get_final_message())]


def anthropic_cases(base):
    client = anthropic.Anthropic(base_url=base, api_key="sk-ant-rig", max_retries=0, timeout=20)
    create = client.messages.create
    ask = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": ASK}
    yield "anthropic message", lambda: create(**ask), "Hello there."
    yield "anthropic stream of events", lambda: list(create(**ask, stream=True)), "message_stop"
    yield "anthropic stream of text", lambda: anthropic_stream(client), "Hello there."
    yield "anthropic tools", lambda: create(**ask, tools=ANTHROPIC_TOOLS), "Bergen"
    yield "anthropic count", lambda: client.messages.count_tokens(
        model="claude-sonnet-4-5", messages=ASK), '"input_tokens": 12'
    for model, raised in {**FAILURES, "fails-overloaded": "OverloadedError"}.items():
        yield f"anthropic {model}", lambda model=model: error(lambda: create(**{**ask, "model": model})), raised


def results(openai_base, anthropic_base):
    found = {}
    for cases in (openai_cases(openai_base), anthropic_cases(anthropic_base)):
        for name, call, said in cases:
            try:
                found[name] = (json.dumps(plain(call()), sort_keys=True), said)
            except Exception as raised:  # any other failure is a difference
                found[name] = (f"unexpected {raised!r}", said)
    return found


def main():
    direct, proxy = sys.argv[1:]
    want = results(f"{direct}/v1", direct)
    got = results(f"{proxy}/openai/v1", f"{proxy}/anthropic")
    wrong = 0
    for name, (text, said) in want.items():
        through = got[name][0]
        same = text == through and said in text
        wrong += not same
        print(f"{'same' if same else 'DIFFERS'}  {name}" + ("" if same else f"\n  expected {said}\n  direct  {text}\n  proxied {through}"))
    print(f"{len(want) - wrong} of {len(want)} calls are the same")
    sys.exit(1 if wrong else 0)


main()
