"""boto3, for Bedrock, with an API key: nothing is signed, but the SDK wants an endpoint with TLS."""

import os

import boto3

from case import Case, record
from with_bedrock import ASK, MODEL, as_forward_proxy, plain


def client(base):
    # The provider plays without TLS, so the call to compare with is a signed one.
    if not base.proxy:
        return as_forward_proxy(base)
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = "rig"
    return boto3.client("bedrock-runtime", endpoint_url=base("bedrock"), region_name="eu-central-1")


def cases(base):
    told = lambda **more: [record("chat", MODEL, finish="end_turn", **more)]
    runtime = client(base)
    yield Case("converse", lambda: plain(runtime.converse(**ASK)), "Hello there.", told())
    yield Case("converse stream", lambda: plain(runtime.converse_stream(**ASK)), '" there"', told(stream=True))
