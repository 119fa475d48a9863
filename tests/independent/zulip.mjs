// A stand-in for Zulip 9, after its source and API documentation: answers with "result",
// "msg" and "code", forms with JSON in their fields, event queues that are polled and
// that a client acknowledges by the last event's id, messages numbered over all channels
// and trimmed. A message that is sent again is another message. The administrator's key
// is $ZULIP_ADMIN_KEY. --queue-life S: a queue that is not polled is gone after that.
import { id, later, number, serve, strikes } from './standin.mjs';

const life = number('--queue-life', 600) * 1000;
const [users, channels, queues] = [new Map(), new Map(), new Map()];
const messages = [];
const success = (value = {}) => [200, { result: 'success', msg: '', ...value }];
const failure = (msg, code = 'BAD_REQUEST', status = 400, more = {}) => [status, { result: 'error', msg, code, ...more }];
let [numbered, last] = [10, 0];

function who({ headers }) {
  const [email, key] = Buffer.from(headers.authorization?.replace('Basic ', '') ?? '', 'base64').toString().split(':');
  if (key === process.env.ZULIP_ADMIN_KEY) return { email, admin: true };
  const user = users.get(email);
  return user?.key === key ? user : undefined;
}

function subscribe(user, { subscriptions, principals, invite_only: closed }) {
  const all = principals ? JSON.parse(principals).map((wanted) => [...users.values()].find((one) => one.id === wanted)) : [user];
  for (const { name } of JSON.parse(subscriptions)) {
    if (!channels.has(name)) channels.set(name, { id: (numbered += 1), name, closed: closed === 'true', subscribers: new Set() });
    const channel = channels.get(name);
    if (channel.closed && channel.subscribers.size && !channel.subscribers.has(user)) return failure(`Unable to access channel (${name}).`, 'BAD_REQUEST', 400);
    all.forEach((one) => channel.subscribers.add(one));
  }
  return success({ subscribed: {}, already_subscribed: {} });
}

async function send(user, { type, to, topic, content }) {
  const channel = [...channels.values()].find((one) => one.id === Number(to));
  if (type !== 'stream' || !channel) return failure(`Channel with ID '${to}' does not exist`, 'STREAM_DOES_NOT_EXIST', 400);
  if (channel.closed && !channel.subscribers.has(user)) return failure(`Not authorized to send to channel '${channel.name}'`);
  const body = content.trimEnd().replace(/^\n+/, '');
  if (!body) return failure('Message must not be empty');
  await later(1, 4);
  const message = { id: (last += 1), type: 'stream', stream_id: channel.id, subject: topic, content: body, sender_email: user.email, timestamp: Math.floor(Date.now() / 1000) };
  if (!strikes('loses')) messages.push(message);
  if (strikes('doubles')) messages.push({ ...message, id: (last += 1) });
  // Told in a transaction of its own, a moment later.
  setTimeout(() => {
    for (const queue of queues.values()) if (channel.subscribers.has(queue.user) && !strikes('drops')) push(queue, { type: 'message', message, flags: [] });
  }, 1);
  return success({ id: message.id });
}

function push(queue, event) {
  queue.events.push({ id: (queue.last += 1), ...event });
  queue.wake?.();
}

function events(user, query) {
  const queue = queues.get(query.get('queue_id'));
  if (queue?.user !== user) return failure(`Bad event queue ID: ${query.get('queue_id')}`, 'BAD_EVENT_QUEUE_ID', 400, { queue_id: query.get('queue_id') });
  clearTimeout(queue.end);
  queue.end = setTimeout(() => queues.delete(queue.id), life + 90_000);
  const since = Number(query.get('last_event_id'));
  queue.events = queue.events.filter((event) => event.id > since);
  queue.wake?.();
  return new Promise((done) => {
    const give = () => {
      clearTimeout(beat);
      queue.wake = undefined;
      clearTimeout(queue.end);
      queue.end = setTimeout(() => queues.delete(queue.id), life);
      done(success({ events: queue.events, queue_id: queue.id }));
    };
    const beat = setTimeout(() => push(queue, { type: 'heartbeat' }), 50_000);
    queue.wake = give;
    if (queue.events.length) give();
  });
}

function read(user, query) {
  const [{ operand }] = JSON.parse(query.get('narrow'));
  const channel = [...channels.values()].find((one) => one.id === operand);
  if (!channel || (channel.closed && !channel.subscribers.has(user))) return failure('Invalid narrow operator: unknown channel', 'BAD_NARROW');
  const anchor = query.get('anchor') === 'oldest' ? 0 : Number(query.get('anchor'));
  const after = Math.min(Number(query.get('num_after')), 5000);
  const found = messages.filter((message) => message.stream_id === operand && message.id > anchor).sort((a, b) => a.id - b.id);
  return success({ anchor, messages: found.slice(0, after), found_newest: found.length <= after, found_oldest: false, found_anchor: false, history_limited: false });
}

serve((asked) => {
  const { method, path, query, body } = asked;
  const route = `${method} ${path.replace('/api/v1', '')}`;
  if (route === 'GET /server_settings') return success({ zulip_version: '9.4' });
  if (route === 'POST /fetch_api_key') {
    const user = users.get(body.username);
    return user?.password === body.password ? success({ api_key: user.key, email: user.email, user_id: user.id }) : failure('Your username or password is incorrect', 'AUTHENTICATION_FAILED', 401);
  }
  const user = who(asked);
  if (!user) return failure('Invalid API key', 'INVALID_API_KEY', 401);
  if (route === 'POST /users') {
    if (!user.admin) return failure('User not authorized to create users', 'UNAUTHORIZED_PRINCIPAL', 403);
    if (users.has(body.email)) return failure(`Email '${body.email}' already in use`);
    users.set(body.email, { id: (numbered += 1), email: body.email, password: body.password, key: id(32) });
    return success({ user_id: numbered });
  }
  if (route === 'POST /users/me/subscriptions') return subscribe(user, body);
  if (route === 'DELETE /users/me/subscriptions') {
    JSON.parse(body.subscriptions ?? query.get('subscriptions')).forEach((name) => channels.get(name)?.subscribers.delete(user));
    return success({ removed: [], not_removed: [] });
  }
  if (route === 'GET /get_stream_id') {
    const channel = channels.get(query.get('stream'));
    return channel ? success({ stream_id: channel.id }) : failure(`Invalid channel name '${query.get('stream')}'`);
  }
  if (route === 'POST /register') {
    const queue = { id: id(32), user, events: [], last: -1 };
    queue.end = setTimeout(() => queues.delete(queue.id), life);
    queues.set(queue.id, queue);
    return success({ queue_id: queue.id, last_event_id: -1, zulip_version: '9.4', event_queue_longpoll_timeout_seconds: 90 });
  }
  if (route === 'GET /events') return events(user, query);
  if (route === 'POST /messages') return send(user, body);
  if (route === 'GET /messages') return read(user, query);
  const at = route.match(/^GET \/messages\/(\d+)$/);
  const message = at && messages.find((one) => one.id === Number(at[1]));
  if (at) return message ? success({ message, raw_content: message.content }) : failure('Invalid message(s)');
  return failure('Method Not Allowed', 'METHOD_NOT_ALLOWED', 405);
});
