"""boto3, for Bedrock, with keys that sign: the ways in which a signature stays valid, and the one in which it does not."""

import io
import json
import os
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from case import Case, failed, raised, record

# Escaped in the path, and escaped once more in what is signed.
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
ASK = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "Say hello."}]}]}
FAILURES = [
    ("fails-auth", "auth", 403),
    ("fails-missing", "model_not_found", 400),
    ("fails-limited", "rate_limit", 429),
    ("fails-permission", "permission", 403),
]


def client(endpoint, **config):
    return boto3.client(
        "bedrock-runtime", endpoint_url=endpoint, region_name="eu-central-1", aws_access_key_id="AKIDRIG",
        aws_secret_access_key="secret", aws_session_token="session",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=20, **config))


def as_forward_proxy(base):
    """The endpoint is the provider's own, over plain HTTP, and the proxy is a proxy."""
    return client(base.direct, proxies={"http": base.proxy} if base.proxy else {})


def by_environment(base):
    """The same, set from outside."""
    os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = base.direct
    os.environ["HTTP_PROXY"] = base.proxy or ""
    try:
        return client(None)
    finally:
        del os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"], os.environ["HTTP_PROXY"]


def with_host(base):
    """The endpoint is the proxy, and the signer is told the provider's host."""
    made = client(base.proxy or base.direct)
    host = urlsplit(base.direct).netloc
    made.meta.events.register("before-sign.bedrock-runtime", lambda request, **_: request.headers.add_header("Host", host))
    return made


def signing_the_proxy(base):
    """Nothing but the endpoint is changed: the proxy's own host and path are signed."""
    return client(base("bedrock"))


def plain(answer):
    """An answer without what is of one connection."""
    answer = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    for name, value in answer.items():
        if hasattr(value, "read"):
            answer[name] = json.load(io.BytesIO(value.read()))
        elif hasattr(value, "__iter__") and not isinstance(value, (str, dict)):
            answer[name] = list(value)
    return answer


def cases(base):
    told = lambda **more: [record("chat", MODEL, finish="end_turn", **more)]
    runtime = as_forward_proxy(base)
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": []})
    yield Case("converse", lambda: plain(runtime.converse(**ASK)), "Hello there.", told())
    yield Case("converse stream", lambda: plain(runtime.converse_stream(**ASK)), '" there"', told(stream=True))
    yield Case("invoke", lambda: plain(runtime.invoke_model(modelId=MODEL, body=body)), "Hello there.",
               told(answered=MODEL.replace(":", "%3A")))
    for model, category, status in FAILURES:
        yield Case(model, lambda model=model: raised(lambda: runtime.converse(**{**ASK, "modelId": model}), ClientError),
                   "Exception", [failed("chat", model, category, status)])
    for way in (by_environment, with_host, signing_the_proxy):
        yield Case(way.__name__, lambda way=way: plain(way(base).converse(**ASK)), "Hello there.", told())
