// Tern, a chat API that does not exist; tern.toml is its profile. Its documentation:
//
// One endpoint, POST /gq, takes {"query", "variables"} and answers 200 whatever happens:
// {"data"} or {"errors": [{"message", "extensions": {"code", "retryAfterMs"}}]}. Codes:
// UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, BAD_INPUT (nothing was done), THROTTLED
// (nothing was done; wait), INTERNAL (who knows).
// login(name) sets the cookie `tern` and gives {"csrf", "expiresIn"}: both go with every
// further request, as cookie and as X-Csrf. They live for five seconds (--life S).
// openRoom(name), enter(room), say(room, content, clientId): content is a text of JSON,
// {"v": 1, "text"}; gives {"id", "at", "fresh"}, fresh: false where the user has used the
// clientId before.
// room(name) { messages(last, before) { edges { node {…} } pageInfo { startCursor
// hasPreviousPage } } }: pages from the newest message back, each from the oldest to the
// newest.
// POST /gq/events {"rooms": […]} is a stream of server-sent events with the same cookie:
// "open", "said" (data: {"room", "node"}) with ids, and "missed" (data: {"room"}) where
// some were left out. With Last-Event-ID, the 50 latest events behind it come again; where
// there were more, "missed" comes first for each room.
// Manners of its own: --throttles N (every n-th message).
import { randomUUID } from 'node:crypto';
import { number, serve, strikes } from '../standin.mjs';

const life = number('--life', 5);
const kept = number('--kept', 50);
const throttles = number('--throttles', 0);
const [sessions, rooms] = [new Map(), new Map()];
const log = [];
const streams = new Set();
let event = 0;
const error = (code, more = {}) => [200, { data: null, errors: [{ message: code.toLowerCase(), extensions: { code, ...more } }] }];

function session({ headers }) {
  const cookie = headers.cookie?.split('; ').find((pair) => pair.startsWith('tern='))?.slice(5);
  const known = sessions.get(cookie);
  return known && known.csrf === headers['x-csrf'] && Date.now() < known.until ? known.name : undefined;
}

function say({ room: name, content, clientId }, user) {
  const room = rooms.get(name);
  if (!room) return error('NOT_FOUND');
  if (!room.members.has(user)) return error('FORBIDDEN');
  if (strikes('throttles', throttles)) return error('THROTTLED', { retryAfterMs: 120 });
  try { JSON.parse(content); } catch { return error('BAD_INPUT'); }
  const known = room.keys.get(`${user} ${clientId}`);
  if (known) return [200, { data: { say: { id: known.id, at: known.at, fresh: false } } }];
  const node = { id: `m_${randomUUID()}`, at: (room.at += 1), content, clientId, author: user };
  room.keys.set(`${user} ${clientId}`, node);
  if (!strikes('loses')) room.nodes.push(node);
  if (strikes('doubles')) room.nodes.push({ ...node, id: `m_${randomUUID()}`, at: (room.at += 1) });
  log.push({ id: (event += 1), name: 'said', room: name, data: { room: name, node } });
  for (const stream of streams) if (stream.rooms.has(name) && !strikes('drops')) stream.write(log.at(-1));
  return [200, { data: { say: { id: node.id, at: node.at, fresh: true } } }];
}

function events(asked, user) {
  const wanted = new Set(asked.body.rooms.filter((name) => rooms.get(name)?.members.has(user)));
  asked.response.writeHead(200, { 'content-type': 'text/event-stream' });
  const write = ({ id, name, data }) => asked.response.write(`${id ? `id: ${id}\n` : ''}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  const last = asked.headers['last-event-id'];
  write({ name: 'open', data: {} });
  if (last !== undefined) {
    const missed = log.filter(({ id, room }) => id > Number(last) && wanted.has(room));
    if (missed.length > kept) for (const room of wanted) write({ name: 'missed', data: { room } });
    missed.slice(-kept).forEach(write);
  }
  const stream = { rooms: wanted, write };
  streams.add(stream);
  asked.response.on('close', () => streams.delete(stream));
}

serve((asked) => {
  const { path, body } = asked;
  const { query = '', variables = {} } = body ?? {};
  if (query.includes('login')) {
    const cookie = randomUUID();
    sessions.set(cookie, { name: variables.name, csrf: randomUUID(), until: Date.now() + life * 1000 });
    const { csrf } = sessions.get(cookie);
    return [200, { data: { login: { csrf, expiresIn: life } } }, { 'set-cookie': ['lang=en; Path=/', `tern=${cookie}; Path=/; HttpOnly`] }];
  }
  const user = session(asked);
  if (!user) return path === '/gq/events' ? [401, ''] : error('UNAUTHENTICATED');
  if (path === '/gq/events') return void events(asked, user);
  if (query.includes('openRoom')) {
    const { name } = variables;
    if (!rooms.has(name)) rooms.set(name, { members: new Set(), nodes: [], keys: new Map(), at: 0 });
    rooms.get(name).members.add(user);
    return [200, { data: { openRoom: { name } } }];
  }
  if (query.includes('enter')) {
    if (!rooms.has(variables.room)) return error('NOT_FOUND');
    rooms.get(variables.room).members.add(user);
    return [200, { data: { enter: true } }];
  }
  if (query.includes('say(')) return say(variables, user);
  const room = rooms.get(variables.room);
  if (!room?.members.has(user)) return error('FORBIDDEN');
  const end = variables.before ? room.nodes.findIndex(({ id }) => id === variables.before) : room.nodes.length;
  const begin = Math.max(0, end - variables.last);
  const edges = room.nodes.slice(begin, end).map((node) => ({ node, cursor: node.id }));
  return [200, { data: { room: { messages: { edges, pageInfo: { startCursor: edges[0]?.cursor ?? null, hasPreviousPage: begin > 0 } } } } }];
});
