// A chat server that shares nothing with posthaste but the wire: the part of
// Slack's API that a target profile `reference` needs, in memory, with manners
// and bugs of its own. What it did wrong it appends to --log as JSON lines.
//
//   node server.mjs [--log FILE] [MANNER ...] [BUG=every ...]
//
// Manners are what a correct server may do as well; see `has` below. It prints
// its address.
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { accept, onText, sendText } from './websocket.mjs';

const args = process.argv.slice(2);
const logFile = args.includes('--log') ? args[args.indexOf('--log') + 1] : undefined;
const has = (manner) => args.includes(manner);
// Where frames come in fragments, with a ping between them.
const cut = has('fragments') ? 10 : 0;
const counts = new Map();
// Whether a bug shows at this opportunity.
function due(bug) {
  const every = Number(args.find((arg) => arg.startsWith(`${bug}=`))?.split('=')[1] ?? 0);
  if (!every) return false;
  counts.set(bug, (counts.get(bug) ?? 0) + 1);
  return counts.get(bug) % every === 0;
}
const note = (bug, row, user) => logFile && appendFileSync(logFile, `${JSON.stringify({ bug, key: row.key, ts: row.ts, user })}\n`);

const channels = new Map(); // id -> { members: Set, rows: [], keys: Map }
const tickets = new Map(); // ticket -> user
const sockets = new Map(); // user -> Set of sockets
let lastMicros = 0;

function newTs() {
  lastMicros = Math.max(Date.now() * 1000, lastMicros + 1 + Math.floor(Math.random() * 900));
  const text = String(lastMicros);
  return `${text.slice(0, -6)}.${text.slice(-6)}`;
}

const shown = (row) => ({
  type: 'message',
  user: row.user,
  ts: row.ts,
  text: has('escapes') ? row.text.replaceAll('e', '&#101;').replaceAll('&#101;', 'e') : row.text,
  ...(has('echoes-no-key') ? {} : { client_msg_id: row.key }),
});

function push(user, frame) {
  for (const socket of sockets.get(user) ?? []) sendText(socket, JSON.stringify(frame), cut);
}

function fanOut(channelId, row) {
  const channel = channels.get(channelId);
  for (const user of channel.members) {
    if (due('push-lost')) {
      if (sockets.get(user)?.size) note('push-lost', row, user);
      continue;
    }
    push(user, { ...shown(row), channel: channelId });
    if (due('push-twice') && sockets.get(user)?.size) {
      push(user, { ...shown(row), channel: channelId });
      note('push-twice', row, user);
    }
  }
}

// The methods. Each gets the user and the form, and returns [status, body].
const methods = {
  'auth.test': (user) => [200, { ok: true, user_id: user, user, team_id: 'T1', bot_id: 'B1' }],
  'conversations.create': (user, form) => {
    const id = `C${channels.size + 1}X`;
    channels.set(id, { members: new Set([user]), rows: [], keys: new Map() });
    return [200, { ok: true, channel: { id, name: form.get('name') } }];
  },
  'conversations.join': (user, form) => {
    channels.get(form.get('channel')).members.add(user);
    return [200, { ok: true, channel: { id: form.get('channel') } }];
  },
  'rtm.connect': (user, _, host) => {
    const ticket = `${tickets.size}-${Math.random()}`;
    tickets.set(ticket, user);
    return [200, { ok: true, url: `ws://${host}/socket/${ticket}` }];
  },
  'chat.postMessage': postMessage,
  'conversations.history': history,
};

function postMessage(user, form) {
  const channelId = form.get('channel');
  const channel = channels.get(channelId);
  const key = form.get('client_msg_id');
  if (has('busy') && Math.random() < 0.05) return [429, { ok: false, error: 'ratelimited' }, { 'Retry-After': '1' }];
  if (has('fails-before') && Math.random() < 0.05) return [500, { ok: false, error: 'internal_error' }];
  const known = channel.keys.get(`${user} ${key}`);
  if (known && !due('forgets-key')) return [200, { ok: true, channel: channelId, ts: known.ts, message: shown(known) }];
  const row = { user, ts: newTs(), key, text: form.get('text') };
  if (known) note('forgets-key', row);
  const answer = () => [200, { ok: true, channel: channelId, ts: row.ts, message: shown(row) }];
  if (due('lost')) {
    note('lost', row);
    return answer();
  }
  if (due('pushed-then-failed')) {
    fanOut(channelId, row);
    note('pushed-then-failed', row);
    return [403, { ok: false, error: 'restricted_action' }];
  }
  if (due('swapped') && channel.rows.length) {
    const previous = channel.rows.at(-1);
    [previous.text, row.text] = [row.text, previous.text];
    [previous.key, row.key] = [row.key, previous.key];
    note('swapped', row);
    note('swapped', previous);
  }
  if (due('own-eyes-only')) {
    note('own-eyes-only', row);
    row.hidden = true;
  }
  channel.rows.push(row);
  channel.keys.set(`${user} ${key}`, row);
  if (due('stored-twice')) {
    channel.rows.push({ ...row, ts: newTs() });
    note('stored-twice', row);
  }
  fanOut(channelId, row);
  if (has('never-answers') && Math.random() < 0.03) return 'wait';
  if (due('deleted')) {
    setTimeout(() => {
      channel.rows.splice(channel.rows.indexOf(row), 1);
      note('deleted', row);
    }, 1500);
  }
  if (due('refused-and-stored')) {
    note('refused-and-stored', row);
    return [400, { ok: false, error: 'msg_too_long' }];
  }
  if (due('wrong-ts')) {
    note('wrong-ts', row);
    return [200, { ok: true, channel: channelId, ts: newTs(), message: { ...shown(row), client_msg_id: key } }];
  }
  if (has('answers-late') && Math.random() < 0.06) return 'drop';
  return answer();
}

function history(user, form) {
  const channel = channels.get(form.get('channel'));
  const limit = Number(form.get('limit') ?? 100);
  const [oldest, latest] = [form.get('oldest') ?? '0', form.get('latest') ?? '9999999999.999999'];
  const inclusive = form.get('inclusive') === '1';
  let rows = channel.rows.filter((row) => (inclusive ? row.ts >= oldest && row.ts <= latest : row.ts > oldest && row.ts < latest));
  rows = rows.filter((row) => !row.hidden || row.user === user);
  if (has('hides-fresh')) rows = rows.filter((row) => Date.now() * 1000 - Number(row.ts.replace('.', '')) > 200_000);
  rows = rows.slice().sort((a, b) => (a.ts < b.ts ? 1 : -1));
  // Newest first, whatever the bounds; the cursor is opaque.
  const forward = has('oldest-first');
  if (forward) rows.reverse();
  const cursor = form.get('cursor') ? Buffer.from(form.get('cursor'), 'base64').toString().split('#')[0] : undefined;
  if (cursor) rows = rows.filter((row) => (forward ? row.ts > cursor : row.ts < cursor));
  if (cursor && due('page-loses-last') && rows.length > limit) {
    const [lost] = rows.splice(limit - 1, 1);
    note('page-loses-last', lost, user);
  }
  let page = rows.slice(0, limit);
  if (has('pages-of-nothing') && page.length && Math.random() < 0.1) page = [];
  const last = page.at(-1)?.ts ?? cursor ?? (forward ? '0' : '9999999999.999999');
  const more = page.length < rows.length;
  const next = more || (has('last-page-is-empty') && page.length) ? Buffer.from(`${last}#${Math.random()}`).toString('base64') : '';
  const noise = has('noise') && !forward ? [{ type: 'message', subtype: 'channel_join', user, ts: '0000000001.000000', text: 'joined' }] : [];
  const messages = page.map(shown);
  return [200, { ok: true, messages: next ? messages : [...messages, ...noise], has_more: !!next, response_metadata: { next_cursor: next } }];
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const user = `U${createHash('sha1').update(request.headers.authorization ?? '').digest('hex').slice(0, 10)}`;
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const type = request.headers['content-type'] ?? '';
    const fields = type.includes('json') ? new Map(Object.entries(JSON.parse(Buffer.concat(chunks).toString() || '{}'))) : form;
    const method = methods[request.url.split('/').pop().split('?')[0]];
    const done = method ? method(user, fields, request.headers.host) : [404, { ok: false, error: 'unknown_method' }];
    if (done === 'drop') return request.socket.destroy();
    if (done === 'wait') return;
    const [status, body, headers] = done;
    const text = JSON.stringify(body);
    const answer = () => {
      response.writeHead(status, { 'Content-Type': 'application/json', ...(has('closes') ? { Connection: 'close' } : {}), ...headers });
      if (has('chunks')) for (let at = 0; at < text.length; at += 100) response.write(text.slice(at, at + 100));
      response.end(has('chunks') ? undefined : text);
    };
    if (has('slow')) setTimeout(answer, Math.random() * 80);
    else answer();
  });
});

server.on('upgrade', (request, socket) => {
  const user = tickets.get(request.url.split('/').pop());
  accept(request, socket);
  const mine = sockets.get(user) ?? new Set();
  sockets.set(user, mine.add(socket));
  sendText(socket, '{"type":"hello"}', cut);
  onText(socket, (text) => {
    const message = JSON.parse(text);
    if (message.type === 'ping') sendText(socket, JSON.stringify({ ...message, type: 'pong', reply_to: message.id }), cut);
  });
  socket.on('close', () => mine.delete(socket));
  socket.on('error', () => mine.delete(socket));
  if (has('hangs-up')) setTimeout(() => socket.end(Buffer.from([0x88, 2, 0x03, 0xe9])), 300 + Math.random() * 2500);
});

server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
