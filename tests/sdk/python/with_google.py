"""The google-genai SDK, for Gemini."""

from google import genai
from google.genai import errors, types

from case import Case, failed, raised, record

MODEL = "gemini-2.5-flash"
FAILURES = [
    ("fails-auth", "ClientError", "auth", 400),
    ("fails-missing", "ClientError", "model_not_found", 404),
    ("fails-limited", "ClientError", "rate_limit", 429),
    ("fails-overloaded", "ServerError", "overloaded", 503),
]


def weather(city: str) -> str:
    """Tells the weather."""
    return city


def cases(base):
    client = genai.Client(api_key="rig", http_options=types.HttpOptions(base_url=base("gemini"), timeout=20_000))
    ask = {"model": MODEL, "contents": "Say hello."}
    # Thinking counts as output.
    told = lambda **more: [record("generate_content", MODEL, answered=MODEL, tokens=(12, 8), finish="STOP",
                                  __usage__reasoning_tokens=5, **more)]
    plain = lambda answer: answer.model_dump(mode="json", exclude={"sdk_http_response"})
    generate, stream = client.models.generate_content, client.models.generate_content_stream
    call = types.GenerateContentConfig(
        tools=[weather], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))

    yield Case("generate", lambda: plain(generate(**ask)), "Hello there.", told())
    yield Case("stream", lambda: [plain(chunk) for chunk in stream(**ask)], " there", told(stream=True))
    yield Case("tools", lambda: plain(generate(**ask, config=call)), "Bergen", told(__response__tool_calls=1))
    yield Case("embed", lambda: plain(client.models.embed_content(model="gemini-embedding-001", contents=["one", "two"])),
               "[1.0, 2.0, 3.0]", [record("embeddings", "gemini-embedding-001", tokens=(7, None))])
    yield Case("count", lambda: plain(client.models.count_tokens(**ask)), '"total_tokens": 12',
               [record("count_tokens", MODEL, tokens=None)])
    for model, error, category, status in FAILURES:
        yield Case(model, lambda model=model: raised(lambda: generate(**{**ask, "model": model}), errors.APIError),
                   error, [failed("generate_content", model, category, status)])
