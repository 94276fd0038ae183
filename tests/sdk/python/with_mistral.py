"""The mistralai SDK."""

from mistralai.client import Mistral, errors

from case import Case, failed, raised, record

MODEL = "mistral-small-latest"
ASK = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}
FAILURES = [
    ("mistral-fails-auth", "auth", 401),
    ("mistral-fails-missing", "model_not_found", 400),
    ("mistral-fails-limited", "rate_limit", 429),
]


def cases(base):
    client = Mistral(api_key="rig", server_url=base("mistral"), timeout_ms=20_000)

    def stream():
        with client.chat.stream(**ASK) as events:
            return [event.data for event in events]

    told = lambda **more: [record("chat", MODEL, answered=MODEL, finish="stop", **more)]
    yield Case("chat", lambda: client.chat.complete(**ASK), "Hello there.", told())
    yield Case("chat stream", stream, '" there"', told(stream=True))
    yield Case("embeddings", lambda: client.embeddings.create(model="mistral-embed", inputs=["one"]), "[1.0, 2.0]",
               [record("embeddings", "mistral-embed", answered="mistral-embed", tokens=(7, 0))])
    for model, category, status in FAILURES:
        yield Case(model, lambda model=model: raised(
            lambda: client.chat.complete(**{**ASK, "model": model}), errors.MistralError), "SDKError",
            [failed("chat", model, category, status)])
