"""The ollama SDK."""

import ollama

from case import Case, failed, raised, record

MODEL = "qwen3:4b"
ASK = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}


def cases(base):
    client = ollama.Client(host=base("ollama"), timeout=20)

    def told(operation="chat", **more):
        # One's own servers have no price.
        more = {"answered": MODEL, "finish": "stop", **more}
        return [{**record(operation, MODEL, **more), "/cost/status": "unpriced"}]

    yield Case("chat", lambda: client.chat(**ASK), "Hello there.", told())
    yield Case("chat stream", lambda: list(client.chat(**ASK, stream=True)), '" there"', told(stream=True))
    yield Case("generate", lambda: client.generate(model=MODEL, prompt="Say hello."), "Hello there.",
               told("text_completion"))
    yield Case("embed", lambda: client.embed(model=MODEL, input=["one", "two"]), "[1.0, 2.0]",
               told("embeddings", finish=None, tokens=(7, None)))
    yield Case("missing", lambda: raised(lambda: client.chat(**{**ASK, "model": "fails-missing"}), ollama.ResponseError),
               "ResponseError", [failed("chat", "fails-missing", "model_not_found", 404)])
