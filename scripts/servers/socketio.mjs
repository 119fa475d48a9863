// A small chat server on the real Socket.IO library: node socketio.mjs PORT PING_MS TIMEOUT_MS
//
//   connect   40{"token":NAME}: every token but "wrong" is a user of that name;
//             else 44{"message":"unauthorized"}
//   "join"    (CHANNEL) → ack {"channel":CHANNEL}, or {"error":"unknown_channel"}
//   "leave"   (CHANNEL) → ack {"channel":CHANNEL}
//   "message" ({"channel","text","key"}) → ack {"id","duplicate"}, or {"error"};
//             goes to all who joined, the sender among them, as
//             "message" {"id","channel","text","key","user"}
//   PUT  /channels/C                          creates it: 201, or 200 if it is there
//   POST /channels/C/messages {"text","key"}  201 {"id"}, or 200 where the user's key was there
//   GET  /channels/C/messages?after=ID&limit=N (at most 100)  {"messages","more"}, oldest first
//   All three with "Authorization: Bearer NAME".
//
// What was missed within two minutes comes again to who reconnects with the pid
// and the last offset (Socket.IO's connection state recovery).
import { createServer } from "node:http";
import { Server } from "socket.io";

const [port, pingInterval, pingTimeout] = process.argv.slice(2).map(Number);
const channels = new Map();
const user = (token) => (token && token !== "wrong" ? token : null);

function post(name, { channel, text, key }) {
    const kept = channels.get(channel);
    if (!kept) return { error: "unknown_channel" };
    if (typeof text !== "string" || typeof key !== "string") return { error: "bad_message" };
    const own = JSON.stringify([name, key]);
    if (kept.keys.has(own)) return { id: kept.keys.get(own), duplicate: true };
    const message = { id: kept.messages.length + 1, channel, text, key, user: name };
    kept.messages.push(message);
    kept.keys.set(own, message.id);
    io.to(channel).emit("message", message);
    return { id: message.id, duplicate: false };
}

const http = createServer(async (request, response) => {
    const answer = (status, body) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(body));
    };
    const url = new URL(request.url, "http://localhost");
    if (url.pathname === "/health") return answer(200, {});
    const name = user((request.headers.authorization ?? "").replace(/^Bearer /, ""));
    if (!name) return answer(401, { error: "unauthorized" });
    const [, channel, messages] = url.pathname.match(/^\/channels\/([^/]+)(\/messages)?$/) ?? [];
    if (!channel) return answer(404, { error: "not_found" });
    if (request.method === "PUT" && !messages) {
        const made = !channels.has(channel);
        if (made) channels.set(channel, { messages: [], keys: new Map() });
        return answer(made ? 201 : 200, { channel });
    }
    if (!channels.has(channel)) return answer(404, { error: "unknown_channel" });
    if (request.method === "POST" && messages) {
        let body = "";
        for await (const chunk of request) body += chunk;
        let done;
        try {
            done = post(name, { ...JSON.parse(body), channel });
        } catch {
            done = { error: "bad_message" };
        }
        return answer(done.error ? 400 : done.duplicate ? 200 : 201, done);
    }
    if (request.method !== "GET" || !messages) return answer(405, { error: "method_not_allowed" });
    const after = Number(url.searchParams.get("after") ?? 0);
    const limit = Math.min(Number(url.searchParams.get("limit") ?? 100), 100);
    const all = channels.get(channel).messages;
    answer(200, { messages: all.slice(after, after + limit), more: after + limit < all.length });
});

const io = new Server(http, {
    pingInterval,
    pingTimeout,
    connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: true },
});
io.use((socket, next) => next(user(socket.handshake.auth.token) ? undefined : new Error("unauthorized")));
io.on("connection", (socket) => {
    const name = user(socket.handshake.auth.token);
    const acked = (work) => (argument, ack) => {
        const answer = work(argument);
        if (typeof ack === "function") ack(answer);
    };
    socket.on("join", acked((channel) => {
        if (!channels.has(channel)) return { error: "unknown_channel" };
        socket.join(channel);
        return { channel };
    }));
    socket.on("leave", acked((channel) => {
        socket.leave(channel);
        return { channel };
    }));
    socket.on("message", acked((message) => post(name, message ?? {})));
});
http.listen(port, "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
