"""Makes the same calls with an SDK as it is, direct and through the proxy, and compares.

    compare.py SUITE DIRECT PROXY

SUITE is the NAME of a module beside this one, `with_NAME`, with a function `cases(base)`;
`base(upstream)` is the URL that stands for the provider's origin. DIRECT and PROXY are origins. A
line per case on standard output: "same", its name, and what the records of the proxied call must
hold as JSON, with tabs between. Exit 1 if any differs or is not what the upstream said, 77 if the
SDK is not there.
"""

import dataclasses
import importlib
import json
import sys
from typing import NamedTuple


class Base(NamedTuple):
    """Where providers are: at one origin, behind a proxy or not."""

    direct: str
    proxy: str | None

    def __call__(self, upstream):
        return f"{self.proxy}/{upstream}" if self.proxy else self.direct


def plain(value):
    """A result of an SDK as JSON data."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def results(cases):
    found = []
    for case in cases:
        try:
            text = json.dumps(plain(case.call()), sort_keys=True, default=str)
        except Exception as raised:  # what a case does not expect is a difference
            text = f"unexpected {raised!r}"
        found.append((case, text))
    return found


def main():
    name, direct, proxy = sys.argv[1:]
    try:
        suite = importlib.import_module(f"with_{name}")
    except ModuleNotFoundError as missing:
        print(f"no module {missing.name}")
        sys.exit(77)
    want = results(suite.cases(Base(direct, None)))
    got = results(suite.cases(Base(direct, proxy)))
    wrong = 0
    for (case, text), (_, through) in zip(want, got):
        if text == through and case.said in text:
            print(f"same\t{case.name}\t{json.dumps(case.records)}")
        else:
            wrong += 1
            print(f"DIFFERS\t{case.name}\n  expected {case.said}\n  direct  {text}\n  proxied {through}")
    sys.exit(1 if wrong else 0)


main()
