// Drives the reference server with @slack/web-api and @slack/socket-mode.
//
// usage: node sdk.mjs URL
//
// Prints "ok NAME" for each thing that works as the SDKs expect it; ends with
// the first that does not.

import assert from "node:assert/strict";
import { SocketModeClient } from "@slack/socket-mode";
import { LogLevel, WebClient } from "@slack/web-api";

const url = process.argv[2];
const options = { slackApiUrl: `${url}/api/`, logLevel: LogLevel.ERROR };
const patience = 30_000;

const client = (token) => new WebClient(token, options);
const alice = client("xoxp-alice");
const channel = (await alice.conversations.create({ name: "node" })).channel.id;
const post = (text, more = {}) => alice.chat.postMessage({ channel, text, ...more });

// A queue whose reader waits.
class Events {
    #waiting = [];
    #come = [];
    put(event) {
        const reader = this.#waiting.shift();
        reader ? reader(event) : this.#come.push(event);
    }
    get size() {
        return this.#come.length;
    }
    next() {
        if (this.#come.length > 0) return Promise.resolve(this.#come.shift());
        return new Promise((resolve, reject) => {
            const late = setTimeout(() => reject(new Error("no event came")), patience);
            this.#waiting.push((event) => {
                clearTimeout(late);
                resolve(event);
            });
        });
    }
}

async function web() {
    const first = await post("hello", { client_msg_id: "key-1" });
    const again = await post("hello", { client_msg_id: "key-1" });
    assert.equal(again.ts, first.ts);
    await alice.reactions.add({ channel, timestamp: first.ts, name: "wave" });
    await post("reply", { thread_ts: first.ts });
    await alice.chat.update({ channel, ts: first.ts, text: "hello there" });
    const { messages } = await alice.conversations.history({ channel });
    assert.deepEqual(messages.map((row) => row.text), ["hello there"]);
    assert.equal(messages[0].reactions[0].name, "wave");
    const thread = await alice.conversations.replies({ channel, ts: first.ts });
    assert.deepEqual(thread.messages.map((row) => row.text), ["hello there", "reply"]);
    for (let index = 0; index < 5; index++) await post(`page ${index}`);
    const seen = [];
    for await (const page of alice.paginate("conversations.history", { channel, limit: 2 })) {
        seen.push(...page.messages.map((row) => row.ts));
    }
    assert.equal(new Set(seen).size, 6);
    await assert.rejects(alice.chat.postMessage({ channel: "C0", text: "x" }), /channel_not_found/);
}

async function socketMode() {
    await client("xoxb-node").conversations.join({ channel });
    const app = new SocketModeClient({ appToken: "xapp-node", clientOptions: options, logLevel: LogLevel.ERROR });
    const [events, commands] = [new Events(), new Events()];
    app.on("message", async ({ event, ack }) => {
        await ack();
        events.put(event);
    });
    app.on("slash_commands", async ({ body, ack }) => {
        await ack({ text: `heard ${body.text}`, response_type: "in_channel" });
        commands.put(body);
    });
    await app.start();
    try {
        // The connection is replaced meanwhile: the server asks for that.
        for (const text of ["one", "two", "three"]) {
            await post(text);
            assert.equal((await events.next()).text, text);
            await new Promise((resolve) => setTimeout(resolve, 1_500));
        }
        assert.equal(events.size, 0, "acknowledged once, told once");
        await alice.apiCall("chat.command", { channel, command: "/say", text: "a & b" });
        assert.equal((await commands.next()).command, "/say");
        assert.equal((await events.next()).text, "heard a & b");
    } finally {
        await app.disconnect();
    }
}

for (const check of [web, socketMode]) {
    await check();
    console.log("ok", check.name);
}
process.exit(0);
