// Kelp, a chat API that does not exist; kelp.toml is its profile. Its documentation:
//
// POST /account {"handle"} gives 201 {"id", "secret"}. Every other request is signed:
// Kelp-Id (the account), Kelp-Nonce (a UUID, used once), Kelp-Time (ms, at most 30 s
// old) and Kelp-Signature: "v1=" and the base64 of HMAC-SHA512, under the secret, of
// method, path, query, nonce, time and the base64 of the body's SHA-256, a line each.
// PUT /streams/NAME makes a stream; PUT /streams/NAME/members/ID lets one in.
// POST /streams/NAME/entries {"blob"}, the text in base64, with a Kelp-Key of at most 32
// characters: 201 with the address of the entry in Location and no body; the same key in
// the same stream within ten minutes: 200 with that address. 422 for what is no base64.
// POST /tickets gives {"ticket"}, good for one connection to /live?ticket=T. There the
// client subscribes with ["sub", NAME…], five names at most, which is answered with
// ["subbed", [NAME…]]. ["batch", [[NAME, [[SEQ, BLOB, KEY]…]]…]] brings entries; each
// ["ping", NONCE] is to be answered with ["pong", NONCE] within three seconds.
// GET /streams/NAME/entries?upto=SEQ&n=N: the N newest entries up to and with SEQ, the
// newest first: {"rows": [[SEQ, BLOB, KEY]…]}.
// Bugs of its own: --skips N (every n-th full page leaves a row out).
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { number, serve, strikes } from '../standin.mjs';
import { accept, onText, sendText } from '../websocket.mjs';

const [accounts, streams, nonces, tickets] = [new Map(), new Map(), new Set(), new Map()];
const sockets = new Set();
const skips = number('--skips', 0);

function account({ method, path, query, headers, raw }) {
  const known = accounts.get(headers['kelp-id']);
  const { 'kelp-nonce': nonce, 'kelp-time': time } = headers;
  if (!known || nonces.has(nonce) || Math.abs(Date.now() - Number(time)) > 30_000) return undefined;
  const digest = createHash('sha256').update(raw).digest('base64');
  const text = [method, path, query.toString(), nonce, time, digest].join('\n');
  const signed = createHmac('sha512', known.secret).update(text).digest('base64');
  if (headers['kelp-signature'] !== `v1=${signed}`) return undefined;
  nonces.add(nonce);
  return known;
}

function post(stream, key, blob) {
  if (typeof blob !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(blob)) return [422, ''];
  if (key?.length > 32) return [400, ''];
  const known = stream.keys.get(key);
  if (known && Date.now() < known.until) return [200, '', { location: `/streams/${stream.name}/entries/${known.seq}` }];
  const entry = [(stream.seq += 1), blob, key];
  stream.keys.set(key, { seq: stream.seq, until: Date.now() + 600_000 });
  if (!strikes('loses')) stream.entries.push(entry);
  if (strikes('doubles')) stream.entries.push([(stream.seq += 1), blob, key]);
  for (const socket of sockets) {
    if (!socket.names.has(stream.name) || strikes('drops')) continue;
    // What comes at once goes out in one batch.
    if (!socket.batch) {
      socket.batch = new Map();
      setTimeout(() => {
        sendText(socket, JSON.stringify(['batch', [...socket.batch]]));
        socket.batch = undefined;
      }, 3);
    }
    socket.batch.set(stream.name, [...(socket.batch.get(stream.name) ?? []), entry]);
  }
  return [201, '', { location: `/streams/${stream.name}/entries/${entry[0]}` }];
}

serve((asked) => {
  const { method, path, query, headers, body } = asked;
  if (path === '/account') {
    const made = { id: `a${accounts.size}`, secret: randomUUID(), handle: body.handle };
    accounts.set(made.id, made);
    return [201, { id: made.id, secret: made.secret }];
  }
  const who = account(asked);
  if (!who) return [401, { problem: 'bad signature' }];
  if (path === '/tickets') {
    const ticket = randomUUID();
    tickets.set(ticket, who);
    return [200, { ticket }];
  }
  const [, name, part] = path.match(/^\/streams\/([^/]+)(?:\/(.*))?$/) ?? [];
  if (method === 'PUT' && !part) {
    if (!streams.has(name)) streams.set(name, { name, members: new Set([who.id]), entries: [], seq: 0, keys: new Map() });
    return [204, ''];
  }
  const stream = streams.get(name);
  if (!stream) return [404, { problem: 'no such stream' }];
  if (method === 'PUT') {
    stream.members.add(part.replace('members/', ''));
    return [204, ''];
  }
  if (!stream.members.has(who.id)) return [403, { problem: 'not a member' }];
  if (method === 'POST') return post(stream, headers['kelp-key'], body?.blob);
  const upto = Number(query.get('upto') ?? Infinity);
  const rows = stream.entries.filter(([seq]) => seq <= upto).reverse().slice(0, Number(query.get('n')));
  if (rows.length === Number(query.get('n')) && strikes('skips', skips)) rows.splice(Math.floor(rows.length / 2), 1);
  return [200, { rows }];
}, (request, socket) => {
  const ticket = new URL(request.url, 'http://localhost').searchParams.get('ticket');
  const who = tickets.get(ticket);
  tickets.delete(ticket);
  if (!who) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  accept(request, socket);
  socket.names = new Set();
  sockets.add(socket);
  const expected = new Set();
  const ping = setInterval(() => {
    const nonce = randomUUID();
    expected.add(nonce);
    setTimeout(() => expected.has(nonce) && socket.destroy(), 3000);
    sendText(socket, JSON.stringify(['ping', nonce]));
  }, 1000);
  const gone = () => { clearInterval(ping); sockets.delete(socket); };
  socket.on('close', gone).on('error', gone);
  onText(socket, (text) => {
    const [verb, ...rest] = JSON.parse(text);
    if (verb === 'pong') expected.delete(rest[0]);
    if (verb === 'sub' && rest.length <= 5) {
      rest.filter((name) => streams.get(name)?.members.has(who.id)).forEach((name) => socket.names.add(name));
      sendText(socket, JSON.stringify(['subbed', rest]));
    }
  });
});
