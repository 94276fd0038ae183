"""The cohere SDK, second API."""

import cohere
from cohere.core.api_error import ApiError

from case import Case, failed, raised, record

MODEL = "command-a-03-2025"
ASK = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}
FAILURES = [
    ("fails-auth", "UnauthorizedError", "auth", 401),
    ("fails-missing", "NotFoundError", "model_not_found", 404),
    ("fails-limited", "TooManyRequestsError", "rate_limit", 429),
    ("fails-inside", "InternalServerError", "server_error", 500),
]

# A rerank is billed by the search, which only the second price list has a price for.
SEARCHED = {"/usage/source": "provider", "/usage/searches": 1, "/cost/status": "priced"}


def cases(base):
    client = cohere.ClientV2(api_key="rig", base_url=base("cohere"), timeout=20, max_retries=0)
    told = lambda **more: [record("chat", MODEL, finish="COMPLETE", **more)]
    yield Case("chat", lambda: client.chat(**ASK), "Hello there.", told())
    yield Case("chat stream", lambda: list(client.chat_stream(**ASK)), '" there"', told(stream=True))
    yield Case("embed", lambda: client.embed(
        model="embed-v4.0", input_type="search_query", texts=["one", "two"], embedding_types=["float"]), "[1.0, 2.0]",
        [record("embeddings", "embed-v4.0", tokens=(7, None))])
    yield Case("rerank", lambda: client.rerank(model="rerank-v3.5", query="two", documents=["one", "two"]),
               '"relevance_score": 0.9', [{**record("rerank", "rerank-v3.5", tokens=None), **SEARCHED}])
    for model, error, category, status in FAILURES:
        yield Case(model, lambda model=model: raised(lambda: client.chat(**{**ASK, "model": model}), ApiError),
                   error, [failed("chat", model, category, status)])
