"""Drives the reference server with slack_sdk and slack_bolt.

usage: sdk.py URL

Prints "ok NAME" for each thing that works as the SDKs expect it; ends with the
first that does not.
"""

import queue
import socket
import sys
import threading
import time

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.rtm_v2 import RTMClient
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse

URL = sys.argv[1]
PATIENCE = 30
REPLAYED = 1000


def client(token, kind=WebClient):
    return kind(token=token, base_url=f"{URL}/api/")


def get(events):
    return events.get(timeout=PATIENCE)


alice = client("xoxp-alice")
channel = alice.conversations_create(name="python").data["channel"]["id"]


def join(token):
    joined = client(token)
    joined.conversations_join(channel=channel)
    return joined


def post(text, **more):
    return alice.chat_postMessage(channel=channel, text=text, **more)


def web():
    first = post("hello", client_msg_id="key-1")
    again = post("hello", client_msg_id="key-1")
    assert first["ts"] == again["ts"] and again["deduplicated"], again.data
    reply = post("reply", thread_ts=first["ts"])
    alice.chat_update(channel=channel, ts=first["ts"], text="hello there")
    alice.reactions_add(channel=channel, timestamp=first["ts"], name="wave")
    doomed = post("doomed")
    alice.chat_delete(channel=channel, ts=doomed["ts"])
    rows = alice.conversations_history(channel=channel)["messages"]
    assert [row["text"] for row in rows] == ["hello there"], rows
    assert rows[0]["reactions"][0]["name"] == "wave" and rows[0]["reply_count"] == 1, rows
    thread = alice.conversations_replies(channel=channel, ts=first["ts"])["messages"]
    assert [row["ts"] for row in thread] == [first["ts"], reply["ts"]], thread
    pages = [page["messages"] for page in alice.conversations_list(limit=1)]
    assert pages is not None
    try:
        alice.chat_postMessage(channel="C0", text="x")
    except SlackApiError as error:
        assert error.response["error"] == "channel_not_found", error
    else:
        raise AssertionError("an error is raised")


def rtm():
    events = queue.Queue()
    listener = RTMClient(web_client=join("xoxb-listener"), concurrency=1)

    @listener.on("message")
    def take(_, event):
        events.put(event)

    listener.connect()
    try:
        sent = post("over rtm")
        event = get(events)
        assert (event["text"], event["ts"]) == ("over rtm", sent["ts"]), event
        listener.send({"type": "message", "id": 7, "channel": channel, "text": "from rtm"})
        assert get(events)["text"] == "from rtm"
    finally:
        listener.disconnect()


class Returning(WebClient):
    """Names the last event that it saw."""

    def rtm_connect(self, **more):
        return super().rtm_connect(last_event="0.000001", **more)


def replay():
    join("xoxb-returning")
    for index in range(REPLAYED):
        post(f"missed {index}")
    events = queue.Queue()
    listener = RTMClient(web_client=client("xoxb-returning", Returning), concurrency=1)

    @listener.on("message")
    def take(_, event):
        if event.get("text", "").startswith("missed"):
            events.put(event["text"])

    listener.connect()
    try:
        texts = [get(events) for _ in range(REPLAYED)]
        assert texts == [f"missed {index}" for index in range(REPLAYED)]
    finally:
        listener.disconnect()


def socket_mode():
    events = queue.Queue()
    app = SocketModeClient(app_token="xapp-plain", web_client=join("xoxb-plain"))

    def take(app, request):
        app.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        events.put(request)

    app.socket_mode_request_listeners.append(take)
    app.connect()
    try:
        # The first connection is over when the server asks for another one.
        for text in ["one", "two"]:
            post(text)
            request = get(events)
            assert request.type == "events_api" and request.payload["event"]["text"] == text, request.payload
            time.sleep(2)
        assert events.empty(), "acknowledged once, told once"
    finally:
        app.close()


def answering(app, events):
    """What a bot of the tests does."""

    @app.event("message")
    def message(event):
        events.put(event)

    @app.command("/say")
    def say(ack, command, respond):
        ack("heard " + command["text"])
        respond("and later")

    @app.action("approve")
    def approve(ack, body, respond):
        ack()
        respond(text="approved by " + body["user"]["id"], response_type="in_channel")

    return app


def ask(events, name):
    """Has alice command and click, and sees what comes of it."""
    shown = queue.Queue()
    listener = RTMClient(web_client=alice, concurrency=1)

    @listener.on("message")
    def take(_, event):
        shown.put(event)

    listener.connect()
    try:
        sent = post("to bolt")
        while get(events)["ts"] != sent["ts"]:
            pass
        about = {"channel": channel, "app": name}
        alice.api_call("chat.command", params={**about, "command": "/say", "text": "a & b"})
        texts = set()
        while not {"heard a & b", "and later"} <= texts:
            event = get(shown)
            if event.get("is_ephemeral"):
                texts.add(event["text"])
        click = {**about, "ts": sent["ts"], "action_id": "approve", "value": "1"}
        alice.api_call("posthaste.interact", params=click)
        while not get(shown)["text"].startswith("approved by U"):
            pass
    finally:
        listener.disconnect()


def app_id(token):
    return alice.api_call("posthaste.apps.subscribe", headers={"Authorization": f"Bearer {token}"})["app_id"]


def bolt_socket_mode():
    events = queue.Queue()
    app = answering(App(client=join("xoxb-bolt"), signing_secret="posthaste"), events)
    handler = SocketModeHandler(app, "xapp-bolt")
    handler.connect()
    try:
        ask(events, app_id("xapp-bolt"))
    finally:
        handler.close()


def bolt_http():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    events = queue.Queue()
    app = answering(App(client=join("xoxb-http"), signing_secret="posthaste"), events)
    options = {"port": port, "path": "/slack/events", "http_server_logger_enabled": False}
    threading.Thread(target=app.start, kwargs=options, daemon=True).start()
    began = time.monotonic()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            assert time.monotonic() - began < PATIENCE, "bolt did not start"
            time.sleep(0.05)
    headers = {"Authorization": "Bearer xapp-http"}
    params = {"url": f"http://127.0.0.1:{port}/slack/events"}
    subscribed = alice.api_call("posthaste.apps.subscribe", headers=headers, params=params)
    ask(events, subscribed["app_id"])


for check in [web, rtm, replay, socket_mode, bolt_socket_mode, bolt_http]:
    check()
    print("ok", check.__name__, flush=True)
