"""Holds sessions over websockets with the official Python SDK, direct and through the proxy, and compares.

    sockets.py LISTEN PROXY

LISTEN is host:port where this script serves as the upstream, with a websocket server that is none of
ours and compresses if asked to; PROXY is an origin that forwards to it. A line per case on standard
output; exit 1 if any differs or is not what the upstream said.
"""

import json
import os
import sys
import threading

import openai
from websockets.sync.server import serve

heard = []


def usage(number):
    return {"total_tokens": 30 + number, "input_tokens": 20 + number, "output_tokens": 10,
            "input_token_details": {"text_tokens": 12, "audio_tokens": 8 + number, "cached_tokens": 0},
            "output_token_details": {"text_tokens": 4, "audio_tokens": 6}}


def realtime(say, hear):
    say({"type": "session.created", "event_id": "e0", "session": {"id": "sess_1", "type": "realtime", "object": "realtime.session", "model": "gpt-realtime"}})
    for number, _ in enumerate(event for event in hear() if event["type"] == "response.create"):
        response = {"id": f"resp_{number}", "object": "realtime.response", "status": "in_progress", "output": []}
        say({"type": "response.created", "event_id": "e1", "response": response})
        for word in ("Hello", " there", "."):
            say({"type": "response.output_audio_transcript.delta", "event_id": "e2", "response_id": response["id"],
                 "item_id": "item", "output_index": 0, "content_index": 0, "delta": word})
        say({"type": "response.output_audio.delta", "event_id": "e3", "response_id": response["id"], "item_id": "item",
             "output_index": 0, "content_index": 0, "delta": "A" * 200_000})
        item = {"id": "item", "type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "Hello there."}]}
        say({"type": "response.done", "event_id": "e4", "response": {**response, "status": "completed", "output": [item], "usage": usage(number)}})


def responses(say, hear):
    for number, asked in enumerate(hear()):
        if asked["model"] == "missing":
            say({"type": "error", "status": 404, "error": {"type": "invalid_request_error", "code": "model_not_found", "message": "no such model"}})
            continue
        response = {"id": f"resp_{number}", "object": "response", "model": "gpt-5.5-2026-01-01", "status": "in_progress", "output": []}
        say({"type": "response.created", "sequence_number": 0, "response": response})
        say({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "item", "output_index": 0, "content_index": 0, "delta": "Hello", "logprobs": []})
        message = {"id": "item", "type": "message", "role": "assistant", "status": "completed",
                   "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}
        told = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10,
                "input_tokens_details": {"cached_tokens": 2}, "output_tokens_details": {"reasoning_tokens": 1}}
        say({"type": "response.completed", "sequence_number": 2, "response": {**response, "status": "completed", "output": [message], "usage": told}})


def upstream(socket):
    def hear():
        for message in socket:
            heard.append(json.loads(message))
            yield heard[-1]

    heard.append({"deflated": bool(socket.protocol.extensions)})
    serving = realtime if socket.request.path.startswith("/v1/realtime") else responses
    serving(lambda event: socket.send(json.dumps(event)), hear)


def plain(event):
    return event.model_dump(mode="json") if hasattr(event, "model_dump") else event


def until(connection, *last):
    events = []
    while not events or events[-1]["type"] not in last:
        events.append(plain(connection.recv()))
    return events


def talk(client, options):
    with client.realtime.connect(model="gpt-realtime", websocket_connection_options=options) as connection:
        events = until(connection, "session.created")
        for _ in range(2):
            connection.conversation.item.create(item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello."}]})
            connection.response.create()
            events += until(connection, "response.done")
        return events


def work(client, options):
    with client.responses.connect(websocket_connection_options=options) as connection:
        events = []
        for model in ("gpt-5.5", "missing"):
            connection.response.create(model=model, input="Say hello.")
            events += until(connection, "response.completed", "error")
        return events


# The SDK compresses only if told to.
DEFLATED = {"compression": "deflate", "max_size": None}
CASES = {
    "openai realtime": (talk, {}, '"deflated": false'),
    "openai realtime, deflated": (talk, DEFLATED, '"deflated": true'),
    "openai responses over a socket": (work, {}, "model_not_found"),
    "openai responses over a socket, deflated": (work, DEFLATED, '"deflated": true'),
}


def results(base):
    client = openai.OpenAI(base_url=base, api_key="sk-rig", max_retries=0, timeout=20)
    found = {}
    for name, (case, options, said) in CASES.items():
        heard.clear()
        try:
            said_back = case(client, options)
            found[name] = (json.dumps([said_back, heard], sort_keys=True), said)
        except Exception as raised:  # any failure is a difference
            found[name] = (f"unexpected {raised!r}", said)
    return found


def main():
    listen, proxy = sys.argv[1:]
    # A session that waits for ever must not keep the test.
    watch = threading.Timer(120, os._exit, [1])
    watch.daemon = True
    watch.start()
    host, port = listen.rsplit(":", 1)
    server = serve(upstream, host, int(port), max_size=None)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    want, got = results(f"http://{listen}/v1"), results(f"{proxy}/openai/v1")
    wrong = 0
    for name, (text, said) in want.items():
        same = text == got[name][0] and said in text
        wrong += not same
        print(f"{'same' if same else 'DIFFERS'}  {name}" + ("" if same else f"\n  direct  {text[:2000]}\n  proxied {got[name][0][:2000]}"))
    print(f"{len(want) - wrong} of {len(want)} sessions are the same")
    server.shutdown()
    sys.exit(1 if wrong else 0)


main()
