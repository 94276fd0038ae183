"""Says of requests whether their AWS signature holds: computed again by the SDK's own signer over what arrived.

Requests come as a JSON list of {method, target, headers, body} on standard input; a word for each
goes to standard output: "holds", "broken", or "none" for one without a signature.
"""

import json
import re
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=AKIDRIG/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})$")


def judged(request):
    headers = {name.lower(): value for name, value in request["headers"]}
    signed = SIGNED.match(headers.get("authorization", ""))
    if not signed:
        return "none"
    again = AWSRequest(
        method=request["method"], url=f"https://{headers['host']}{request['target']}", data=request["body"].encode(),
        headers={name: headers.get(name, "") for name in signed["names"].split(";")})
    again.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDRIG", "secret"), signed["service"], signed["region"])
    canonical = signer.canonical_request(again)
    signature = signer.signature(signer.string_to_sign(again, canonical), again)
    return "holds" if signature == signed["signature"] else "broken"


for request in json.load(sys.stdin):
    print(judged(request))
