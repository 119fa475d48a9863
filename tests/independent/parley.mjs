// The server of the example in profiles/targets/README.md, and its relatives: the
// same chat over other transports, and with bugs that `posthaste check` must find by
// itself. Options: --window S (a nonce is remembered so long), --nonces room|user|server
// (within what), --keep N (messages of a room that are kept), --token-life S, --trims,
// --loses N (every n-th message is acknowledged and not stored), --silent (subscriptions
// are not confirmed), --drops N (every n-th push, followed by {"gap": ROOM}).
import { createServer } from 'node:http';
import { accept, onText, sendText } from './websocket.mjs';

const args = process.argv.slice(2);
const option = (name, usual) => (args.includes(name) ? args[args.indexOf(name) + 1] : usual);
const has = (name) => args.includes(name);
const [window, keep, life] = [option('--window', 600), option('--keep', 1e9), option('--token-life', 1e9)].map(Number);
const [loses, drops] = [Number(option('--loses', 0)), Number(option('--drops', 0))];
const within = option('--nonces', 'room');

const rooms = new Map();
const tokens = new Map();
const nonces = new Map();
const listeners = new Set();
const counts = { logins: 0, rooms: 0, posts: 0, deleted: 0, unauthorized: 0, beats: 0 };
let pushes = 0;

function room(name) {
  if (!rooms.has(name)) rooms.set(name, { seq: 0, messages: [] });
  return rooms.get(name);
}

function who(request, url) {
  const token = request.headers.authorization?.replace('Bearer ', '') ?? url.searchParams.get('token');
  const known = tokens.get(token);
  if (known && Date.now() < known.until) return known.name;
  counts.unauthorized += 1;
  return undefined;
}

function post(name, user, body, nonce) {
  const key = { room: `${name} ${nonce}`, user: `${user} ${nonce}`, server: nonce }[within];
  const known = nonces.get(key);
  if (known && Date.now() < known.until) return [200, { seq: known.seq }];
  const here = room(name);
  const message = { room: name, seq: (here.seq += 1), body: has('--trims') ? body.trim() : body, nonce };
  nonces.set(key, { seq: message.seq, until: Date.now() + window * 1000 });
  counts.posts += 1;
  if (loses && counts.posts % loses === 0) return [201, { seq: message.seq }];
  here.messages.push(message);
  if (here.messages.length > keep) here.messages.shift();
  for (const listener of [...listeners].filter((listener) => listener.rooms.has(name))) {
    pushes += 1;
    listener.send(drops && pushes % drops === 0 ? { gap: name } : message);
  }
  return [201, { seq: message.seq }];
}

function answer(response, status, value, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(value === undefined ? '' : JSON.stringify(value));
}

// Events over one answer that does not end: lines of JSON, or server-sent events.
function stream(response, url, write) {
  response.writeHead(200, { 'content-type': write === sse ? 'text/event-stream' : 'application/x-ndjson' });
  const listener = { rooms: new Set(url.searchParams.get('rooms').split(',')), send: (event) => response.write(write(event)) };
  listener.send({ open: true });
  listeners.add(listener);
  const ping = setInterval(() => listener.send({ ping: 1 }), 1000);
  response.on('close', () => {
    clearInterval(ping);
    listeners.delete(listener);
  });
}
const sse = (event) => `id: ${event.seq ?? ''}\nevent: ${event.body ? 'message' : 'notice'}\ndata: ${JSON.stringify(event)}\n\n`;
const line = (event) => `${JSON.stringify(event)}\n`;

// A long poll: what came since a cursor, or what comes within two seconds. Events are
// kept for everybody from the first poll on.
const log = [];
const waiting = new Set();
listeners.add({ rooms: { has: () => true }, send: (event) => { log.push(event); for (const wake of [...waiting]) wake(); } });
function poll(response, url) {
  const mine = new Set(url.searchParams.get('rooms').split(','));
  const since = url.searchParams.has('since') ? Number(url.searchParams.get('since')) : log.length;
  const give = (late) => {
    const events = log.slice(since).filter((event) => mine.has(event.room ?? event.gap));
    if (!events.length && !late) return;
    clearTimeout(timer);
    waiting.delete(give);
    answer(response, 200, { events, next: log.length });
  };
  const timer = setTimeout(() => give(true), 2000);
  waiting.add(give);
  if (url.searchParams.has('since')) give(false);
  else give(true);
}

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const text = Buffer.concat(chunks).toString();
    const given = text && request.headers['content-type']?.includes('json') ? JSON.parse(text) : {};
    if (url.pathname === '/counts') return answer(response, 200, counts);
    if (url.pathname === '/v1/login') {
      counts.logins += 1;
      const token = `t${counts.logins}-${Math.random().toString(36).slice(2)}`;
      tokens.set(token, { name: given.name, until: Date.now() + life * 1000 });
      return answer(response, 200, { token, expires_in: life });
    }
    const user = who(request, url);
    if (!user) return answer(response, 401, { error: 'unauthorized' });
    if (url.pathname === '/v1/stream') return stream(response, url, sse);
    if (url.pathname === '/v1/lines') return stream(response, url, line);
    if (url.pathname === '/v1/poll') return poll(response, url);
    const [, name, messages] = url.pathname.match(/^\/v1\/rooms\/([^/]+)(\/messages)?$/) ?? [];
    if (!name) return answer(response, 404, { error: 'no such path' });
    if (!messages && request.method === 'PUT') {
      counts.rooms += 1;
      room(name);
      return answer(response, 201, { name });
    }
    if (!messages && request.method === 'DELETE') {
      counts.deleted += 1;
      rooms.delete(name);
      return answer(response, 200, {});
    }
    if (!rooms.has(name)) return answer(response, 404, { error: 'no such room' });
    if (request.method === 'POST') return answer(response, ...post(name, user, given.body, given.nonce));
    const since = Number(url.searchParams.get('since') ?? 0);
    const found = rooms.get(name).messages.filter((message) => message.seq > since);
    answer(response, 200, { messages: found.slice(0, Number(url.searchParams.get('limit') ?? 50)) });
  });
});

server.on('upgrade', (request, socket) => {
  const url = new URL(request.url, 'http://localhost');
  if (!who(request, url)) return socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
  accept(request, socket);
  const listener = { rooms: new Set(), send: (event) => sendText(socket, JSON.stringify(event)) };
  listeners.add(listener);
  let unanswered = 0;
  const ping = setInterval(() => {
    if (unanswered > 2) return socket.destroy();
    unanswered += 1;
    listener.send({ ping: unanswered });
  }, 500);
  const gone = () => {
    clearInterval(ping);
    listeners.delete(listener);
  };
  socket.on('close', gone).on('error', gone);
  onText(socket, (text) => {
    const said = JSON.parse(text);
    if (said.beat) counts.beats += 1;
    if (said.pong) unanswered = 0;
    if (said.join) {
      listener.rooms.add(said.join);
      if (!has('--silent')) listener.send({ joined: said.join });
    }
  });
});

server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
