// Plover, a chat API that does not exist; plover.toml is its profile. Its documentation:
//
// The application mints tokens itself: a JWT, HS256 under its secret ("plover-secret"),
// with the claims {"sub": NAME, "exp"}. It goes along as Authorization: Bearer.
// POST /rooms (form: title) gives {"room": {"no": 7}}; POST /rooms/NO/join lets one in.
// POST /rooms/NO/queue (form: text, ref of at most 24 characters) answers 202
// {"job": "j12"}: it is stored later, and the sender's own connection is told,
// {"t": "done", "job", "no"} or {"t": "failed", "job", "why"} (and nothing is stored). The
// same ref again gives the same job, and the same outcome.
// WebSocket /ws, the token as a second subprotocol ("plover", TOKEN). The client says
// {"t": "watch", "rooms": [NO…]}, one frame for all; the server says {"t": "watching"},
// and {"t": "msg", "room": NO, "no": N, "body", "ref"}. Messages are numbered within a room.
// GET /rooms/NO/log?size=N[&from=N], the oldest first; where there is more, Link has
// rel="next". 429 with X-Wait: "250ms".
// Bugs of its own: --ghosts N (every n-th message is told to the others, and has failed).
import { createHmac } from 'node:crypto';
import { later, number, serve, strikes } from '../standin.mjs';
import { accept, onText, sendText } from '../websocket.mjs';

const rooms = [];
const sockets = new Map();
const ghosts = number('--ghosts', 0);
let job = 0;

function who(token) {
  const [head, claims, signed] = (token ?? '').split('.');
  if (createHmac('sha256', 'plover-secret').update(`${head}.${claims}`).digest('base64url') !== signed) return undefined;
  const { alg } = JSON.parse(Buffer.from(head, 'base64url'));
  const { sub, exp } = JSON.parse(Buffer.from(claims, 'base64url'));
  return alg === 'HS256' && exp * 1000 > Date.now() ? sub : undefined;
}
const tell = (name, event) => sockets.get(name)?.forEach((socket) => sendText(socket, JSON.stringify(event)));

async function settle(room, name, entry) {
  await later(2, 12);
  const ghost = strikes('ghosts', ghosts);
  const message = { no: (room.last += 1), body: entry.text, ref: entry.ref };
  if (!ghost && !strikes('loses')) room.log.push(message);
  if (strikes('doubles')) room.log.push({ ...message, no: (room.last += 1) });
  for (const [member, own] of sockets) {
    for (const socket of own) {
      if (room.members.has(member) && socket.rooms.has(room.no) && !strikes('drops')) sendText(socket, JSON.stringify({ t: 'msg', room: room.no, ...message }));
    }
  }
  entry.outcome = ghost ? { t: 'failed', job: entry.job, why: 'disk' } : { t: 'done', job: entry.job, no: message.no };
  tell(name, entry.outcome);
}

serve(async ({ method, path, query, headers, body }) => {
  const name = who(headers.authorization?.replace('Bearer ', ''));
  if (!name) return [401, { why: 'token' }];
  if (path === '/rooms') {
    const known = rooms.find(({ title }) => title === body.title);
    const room = known ?? { no: rooms.length + 7, title: body.title, members: new Set(), log: [], last: 0, refs: new Map() };
    if (!known) rooms.push(room);
    room.members.add(name);
    return [201, { room: { no: room.no } }];
  }
  const [, no, verb] = path.match(/^\/rooms\/(\d+)\/(\w+)$/) ?? [];
  const room = rooms.find((room) => room.no === Number(no));
  if (!room) return [404, { why: 'no such room' }];
  if (verb === 'join') {
    room.members.add(name);
    return [200, {}];
  }
  if (!room.members.has(name)) return [403, { why: 'not in it' }];
  if (method === 'POST') {
    if (!body.text || body.ref?.length > 24) return [400, { why: 'text or ref' }];
    const known = room.refs.get(body.ref);
    const entry = known ?? { job: `j${(job += 1)}`, text: body.text, ref: body.ref };
    room.refs.set(body.ref, entry);
    if (!known) settle(room, name, entry);
    else if (entry.outcome) setTimeout(() => tell(name, entry.outcome), 1);
    return [202, { job: entry.job }];
  }
  const size = Number(query.get('size'));
  const rest = room.log.filter((message) => message.no >= Number(query.get('from') ?? 0));
  const next = rest[size] && `<http://elsewhere.example/rooms/${room.no}/log?size=${size}&from=${rest[size].no}>; rel="next"`;
  return [200, rest.slice(0, size), next ? { link: `</help>; rel="help", ${next}` } : {}];
}, (request, socket) => {
  const [protocol, token] = (request.headers['sec-websocket-protocol'] ?? '').split(/, */);
  const name = protocol === 'plover' && who(token);
  if (!name) return socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
  accept(request, socket, 'plover');
  socket.rooms = new Set();
  sockets.set(name, (sockets.get(name) ?? new Set()).add(socket));
  const gone = () => sockets.get(name).delete(socket);
  socket.on('close', gone).on('error', gone);
  onText(socket, (text) => {
    const said = JSON.parse(text);
    if (said.t !== 'watch') return;
    said.rooms.forEach((no) => socket.rooms.add(no));
    sendText(socket, '{"t":"watching"}');
  });
});
