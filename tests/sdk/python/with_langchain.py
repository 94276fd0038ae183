"""LangChain's chat model for OpenAI."""

import openai
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from case import Case, failed, raised, record

MODEL = "gpt-4o-mini"


def cases(base):
    settings = {"base_url": f"{base('openai')}/v1", "api_key": "sk-rig", "max_retries": 0, "timeout": 20}
    chat = lambda model=MODEL: ChatOpenAI(model=model, **settings)
    # LangChain gives each run a name of its own.
    plain = lambda message: message.model_dump(mode="json", exclude={"id"})
    told = lambda **more: [record("chat", MODEL, answered=MODEL, finish="stop", **more)]
    vectors = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False, **settings)

    yield Case("invoke", lambda: plain(chat().invoke("Say hello.")), "Hello there.", told())
    yield Case("stream", lambda: [plain(chunk) for chunk in chat().stream("Say hello.")], '" there"',
               [{**told(stream=True)[0], "/usage/source": "injected"}])
    yield Case("embed", lambda: vectors.embed_documents(["one", "two"]), "[1.0, 2.0, 3.0]",
               [record("embeddings", "text-embedding-3-small", answered="text-embedding-3-small", tokens=(7, None))])
    yield Case("limited", lambda: raised(lambda: chat("fails-limited").invoke("Hi"), openai.APIStatusError),
               "RateLimitError", [failed("chat", "fails-limited", "rate_limit", 429)])
