// A k6 script whose log is a history that `posthaste judge` reads: users post
// over HTTP with a key and listen on WebSockets, and at the end everybody
// catches up and the whole channel is read twice.
//
//   k6 run --quiet --log-format raw --console-output history.ndjson \
//       -e URL=http://127.0.0.1:8080 scripts/k6/history.js
//   posthaste judge history.ndjson
//
// It speaks Slack's wire; for another server change the four functions at the
// end. Each `tell` is one line of the history format.
import exec from 'k6/execution';
import http from 'k6/http';
import { WebSocket } from 'k6/websockets';
import { sleep } from 'k6';

const URL = __ENV.URL || 'http://127.0.0.1:8080';
const USERS = Number(__ENV.USERS || 5);
const SECONDS = Number(__ENV.SECONDS || 10);
// How long everybody goes on listening after the last message.
const SLACK = Number(__ENV.SLACK || 4);

export const options = {
  scenarios: {
    listen: { executor: 'per-vu-iterations', vus: USERS, iterations: 1, exec: 'listen', maxDuration: `${SECONDS + SLACK + 30}s` },
    talk: { executor: 'constant-arrival-rate', rate: 10, duration: `${SECONDS}s`, startTime: '2s', preAllocatedVUs: 5, exec: 'talk' },
  },
};

const tell = (event, fields) => console.log(JSON.stringify({ event, ...fields }));

export function setup() {
  const channel = createChannel(`k6-${Date.now()}`);
  for (let user = 0; user < USERS; user++) join(name(user), channel);
  tell('run', { format: 1, id: channel, promises: { lag: 1000 }, timeout: 5000 });
  for (let user = 0; user < USERS; user++) tell('member', { user: name(user), channel });
  return { channel, end: Date.now() + (2 + SECONDS + SLACK) * 1000 };
}

// One message: what was intended, and how the attempt ended.
export function talk({ channel }) {
  const user = name(exec.scenario.iterationInTest % USERS);
  const key = `k-${exec.scenario.iterationInTest}`;
  const t = Date.now();
  tell('intended', { t, key, user, channel });
  const answer = post(user, channel, key);
  const end = Date.now();
  if (answer && answer.ok) tell('attempt', { key, t, end, result: 'ok', id: answer.ts, position: position(answer.ts) });
  // When in doubt, indeterminate: only a definite refusal has no effect.
  else tell('attempt', { key, t, end, result: answer && answer.error === 'not_in_channel' ? 'no_effect' : 'indeterminate' });
}

// One subscriber: every push, and at the end its own catch-up from the start.
export function listen({ channel, end }) {
  const user = name(exec.vu.idInInstance % USERS);
  const socket = new WebSocket(socketUrl(user));
  socket.onmessage = (message) => {
    const frame = JSON.parse(message.data);
    if (frame.type === 'hello') tell('connected', { t: Date.now(), user });
    if (frame.type !== 'message') return;
    tell('push', { t: Date.now(), user, channel: frame.channel, key: frame.client_msg_id, position: position(frame.ts) });
  };
  setTimeout(() => {
    tell('noticed', { t: Date.now(), user, how: 'chosen_close' });
    socket.close();
    // From the newest page to the oldest: the first one looks at the end.
    let cursor;
    let first = true;
    do {
      const t = Date.now();
      const page = history(user, channel, 50, cursor);
      tell('page', { t, user, channel, rows: rows(page), last: first });
      cursor = page.response_metadata.next_cursor;
      first = false;
    } while (cursor);
  }, end - Date.now());
}

// The truth: two whole reads with different page sizes, apart by the lag and
// after the longest time that an attempt may still take effect.
export function teardown({ channel }) {
  sleep(6);
  for (const [number, size] of [[1, 50], [2, 37]]) {
    const t = Date.now();
    const all = [];
    let cursor;
    do {
      const page = history(name(0), channel, size, cursor);
      all.push(...rows(page));
      cursor = page.response_metadata.next_cursor;
    } while (cursor);
    tell('final_read', { number, channel, t, end: Date.now(), rows: all });
    sleep(1);
  }
}

const name = (user) => `user-${user}`;
const position = (ts) => Number(ts.replace('.', ''));
const rows = (page) => page.messages.map((row) => ({ id: row.ts, position: position(row.ts), key: row.client_msg_id }));

function call(user, method, fields) {
  const answer = http.post(`${URL}/api/${method}`, fields, { headers: { Authorization: `Bearer ${user}` }, timeout: '5s' });
  try {
    return answer.status === 200 ? JSON.parse(answer.body) : undefined;
  } catch (_) {
    return undefined;
  }
}

// The wire.
const createChannel = (channel) => call(name(0), 'conversations.create', { name: channel }).channel.id;
const join = (user, channel) => call(user, 'conversations.join', { channel });
const post = (user, channel, key) => call(user, 'chat.postMessage', { channel, client_msg_id: key, text: `message ${key}` });
const socketUrl = (user) => call(user, 'rtm.connect', {}).url;
function history(user, channel, limit, cursor) {
  return call(user, 'conversations.history', cursor ? { channel, limit, cursor } : { channel, limit });
}
