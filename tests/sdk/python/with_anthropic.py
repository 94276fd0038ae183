"""The anthropic SDK."""

import anthropic

from case import Case, failed, raised, record

TOOLS = [{"name": "weather", "description": "Tells the weather.",
          "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
MODEL = "claude-sonnet-4-5"
ASK = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]}
FAILURES = [
    ("fails-auth", "AuthenticationError", "auth", 401),
    ("fails-permission", "PermissionDeniedError", "permission", 403),
    ("fails-missing", "NotFoundError", "model_not_found", 404),
    ("fails-invalid", "BadRequestError", "invalid_request", 400),
    ("fails-limited", "RateLimitError", "rate_limit", 429),
    ("fails-inside", "InternalServerError", "server_error", 500),
    ("fails-overloaded", "OverloadedError", "overloaded", 529),
]


def cases(base):
    client = anthropic.Anthropic(base_url=base("anthropic"), api_key="sk-ant-rig", max_retries=0, timeout=20)
    create = client.messages.create

    def text_stream():
        with client.messages.stream(**ASK) as stream:
            return [list(stream.text_stream), stream.get_final_message()]

    def told(finish="end_turn", **more):
        return [record("chat", MODEL, answered=MODEL, finish=finish, **more)]

    yield Case("message", lambda: create(**ASK), "Hello there.", told())
    yield Case("stream of events", lambda: list(create(**ASK, stream=True)), "message_stop", told(stream=True))
    yield Case("stream of text", text_stream, "Hello there.", told(stream=True))
    yield Case("tools", lambda: create(**ASK, tools=TOOLS), "Bergen",
               told("tool_use", tokens=(50, 21), __response__tool_calls=1))
    yield Case("count", lambda: client.messages.count_tokens(model=MODEL, messages=ASK["messages"]),
               '"input_tokens": 12', [record("count_tokens", MODEL, tokens=None)])
    for model, error, category, status in FAILURES:
        yield Case(model, lambda model=model: raised(lambda: create(**{**ASK, "model": model}), anthropic.APIStatusError),
                   error, [failed("chat", model, category, status)])
