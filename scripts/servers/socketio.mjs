// A small chat server on the real Socket.IO library: node socketio.mjs PORT PING_MS TIMEOUT_MS
//
//   connect   40, or 40{"token":NAME}; the token "wrong" gets 44{"message":"unauthorized"}
//   "join"    (ROOM) → ack {"joined":ROOM}: the room is there from then on
//   "leave"   (ROOM) → ack {"left":ROOM}
//   "message" ({"room","text","key"}) → ack {"id","duplicate"}, or {"error"}; goes to
//             all who joined, the sender among them, as
//             "message" {"id","room","text","key","user"}
//   PUT  /rooms/R                          creates it: 201, or 200 where it is there
//   POST /rooms/R/messages {"text","key"}  201 {"id","duplicate"}, or 200 where the
//                                          same user's key was there in that room
//   GET  /rooms/R/messages?after=ID&limit=N (at most 100)  {"messages","more"}, oldest
//        first; 404 {"error":"unknown_room"}
//   With "Authorization: Bearer NAME", as the same user as with the token NAME.
//
// What was missed within two minutes comes again to who reconnects with the pid and
// the last offset (Socket.IO's connection state recovery).
import { createServer } from "node:http";
import { Server } from "socket.io";

const [port, pingInterval, pingTimeout] = process.argv.slice(2).map(Number);
const rooms = new Map();
const user = (token) => (token === "wrong" ? null : token || "nobody");
const made = () => ({ messages: [], keys: new Map() });

function post(name, { room, text, key }) {
    const kept = rooms.get(room);
    if (!kept) return { error: "unknown_room" };
    if (typeof text !== "string" || typeof key !== "string") return { error: "bad_message" };
    const own = JSON.stringify([name, key]);
    if (kept.keys.has(own)) return { id: kept.keys.get(own), duplicate: true };
    const message = { id: kept.messages.length + 1, room, text, key, user: name };
    kept.messages.push(message);
    kept.keys.set(own, message.id);
    io.to(room).emit("message", message);
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
    const [, room, messages] = url.pathname.match(/^\/rooms\/([^/]+)(\/messages)?$/) ?? [];
    if (!room) return answer(404, { error: "not_found" });
    if (request.method === "PUT" && !messages) {
        const there = rooms.has(room);
        if (!there) rooms.set(room, made());
        return answer(there ? 200 : 201, { room });
    }
    if (!rooms.has(room)) return answer(404, { error: "unknown_room" });
    if (request.method === "POST" && messages) {
        let body = "";
        for await (const chunk of request) body += chunk;
        let done;
        try {
            done = post(name, { ...JSON.parse(body), room });
        } catch {
            done = { error: "bad_message" };
        }
        return answer(done.error ? 400 : done.duplicate ? 200 : 201, done);
    }
    if (request.method !== "GET" || !messages) return answer(405, { error: "method_not_allowed" });
    const after = Number(url.searchParams.get("after") ?? 0);
    const limit = Math.min(Number(url.searchParams.get("limit") ?? 100), 100);
    const all = rooms.get(room).messages;
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
    socket.on("join", acked((room) => {
        if (!rooms.has(room)) rooms.set(room, made());
        socket.join(room);
        return { joined: room };
    }));
    socket.on("leave", acked((room) => {
        socket.leave(room);
        return { left: room };
    }));
    socket.on("message", acked((message) => post(name, message ?? {})));
});
http.listen(port, "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
