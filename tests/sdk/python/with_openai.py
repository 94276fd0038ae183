"""The openai SDK."""

import openai

from case import Case, failed, raised, record

TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Tells the weather.",
          "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
ASK = [{"role": "user", "content": "Say hello."}]
MODEL = "gpt-4o-mini"
FAILURES = [
    ("fails-auth", "AuthenticationError", "auth", 401),
    ("fails-permission", "PermissionDeniedError", "permission", 403),
    ("fails-missing", "NotFoundError", "model_not_found", 404),
    ("fails-invalid", "BadRequestError", "invalid_request", 400),
    ("fails-limited", "RateLimitError", "rate_limit", 429),
    ("fails-inside", "InternalServerError", "server_error", 500),
]


def cases(base):
    client = openai.OpenAI(base_url=f"{base('openai')}/v1", api_key="sk-rig", max_retries=0, timeout=20)
    chat = lambda **more: client.chat.completions.create(**{"model": MODEL, "messages": ASK, **more})
    ask = lambda **more: client.responses.create(model=MODEL, input="Say hello.", **more)

    def told(finish="stop", **more):
        return [record("chat", MODEL, **{"answered": MODEL, "finish": finish, **more})]

    yield Case("chat", chat, "Hello there.", told())
    yield Case("chat stream", lambda: list(chat(stream=True)), '"content": " there"',
               [{**told(stream=True)[0], "/usage/source": "injected"}])
    yield Case("chat stream with usage", lambda: list(chat(
        stream=True, stream_options={"include_usage": True})), '"prompt_tokens": 12', told(stream=True))
    yield Case("chat stream without usage", lambda: list(chat(
        stream=True, stream_options={"include_usage": False})), '"content": " there"', told(
            stream=True, tokens=None, __usage__source="estimated", __usage__estimated__by="o200k",
            __cost__status="priced"))
    yield Case("tools", lambda: chat(tools=TOOLS), "Bergen", told("tool_calls", tokens=(40, 9), __response__tool_calls=1))
    yield Case("embeddings", lambda: client.embeddings.create(
        model="text-embedding-3-small", input=["one", "two"]), "[1.0, 2.0, 3.0]",
        [record("embeddings", "text-embedding-3-small", answered="text-embedding-3-small", tokens=(7, None))])
    # This API gives a reason only where an answer is incomplete.
    yield Case("responses", ask, "Hello there.", told(None))
    yield Case("responses stream", lambda: list(ask(stream=True)), "response.completed", told(None, stream=True))

    def background():
        begun = ask(background=True)
        return [begun, client.responses.retrieve(begun.id), client.responses.retrieve(begun.id)]

    # The same answer can be fetched again and again; it is counted once.
    yield Case("responses in the background", background, '"status": "queued"', [
        record("chat", MODEL, answered=MODEL, tokens=None),
        record("fetch_response", MODEL, answered=MODEL, finish=None, __route="/v1/responses/{id}"),
        record("fetch_response", None, answered=MODEL, finish=None, tokens=None, __route="/v1/responses/{id}"),
    ])
    yield Case("models", lambda: list(client.models.list()), MODEL, [record("models", None, tokens=None)])
    for model, error, category, status in FAILURES:
        yield Case(model, lambda model=model: raised(lambda: chat(model=model), openai.APIStatusError), error,
                   [failed("chat", model, category, status)])
