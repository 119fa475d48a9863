// A stand-in for Rocket.Chat 7, after its source: the message's _id is the caller's, a
// second insert with it is left out and answered with an error of the JavaScript engine
// (there is no message to answer with), errors are 400 with `error` and `errorType`,
// events come over DDP (Meteor's protocol), one subscription for each room. The
// administrator's password is $ROCKETCHAT_ADMIN_PASSWORD.
import { randomUUID } from 'node:crypto';
import { id, later, serve, strikes } from './standin.mjs';
import { accept, onText, sendText } from './websocket.mjs';

const [users, tokens, rooms, messages] = Array.from({ length: 4 }, () => new Map());
const sockets = new Set();
const success = (value) => [200, { ...value, success: true }];
const failure = (error, errorType, details) => [400, { success: false, error: errorType ? `${error} [${errorType}]` : error, errorType, details }];
const named = (map, name) => [...map.values()].find((one) => one.name === name);
const admin = { _id: id(17), name: 'admin', password: process.env.ROCKETCHAT_ADMIN_PASSWORD, admin: true };
users.set(admin._id, admin);

const shownRoom = (room) => ({ _id: room._id, name: room.name, t: room.t });
const date = (message) => ({ ...message, ts: { $date: message.ts.getTime() }, _updatedAt: { $date: message._updatedAt.getTime() } });

function createRoom(t, { name }, user) {
  if (!/^[0-9a-zA-Z-_.]+$/.test(name ?? '')) return failure(`${name} is not a valid room name`, 'error-invalid-room-name');
  if (named(rooms, name)) return failure(`A channel with name '${name}' exists`, 'error-duplicate-channel-name', { channel_name: name });
  const room = { _id: id(17), name, t, members: new Set([user._id]), messages: [] };
  rooms.set(room._id, room);
  return success({ [t === 'c' ? 'channel' : 'group']: shownRoom(room) });
}

function insert(room, message) {
  messages.set(message._id, message);
  room.messages.push(message);
}

function add(room, user) {
  if (room.members.has(user._id)) return;
  room.members.add(user._id);
  const notice = { _id: id(17), t: 'uj', rid: room._id, msg: user.name, ts: new Date(), u: { _id: user._id, username: user.name }, _updatedAt: new Date() };
  insert(room, notice);
  publish(notice);
}

async function sendMessage(message, user) {
  if (!message || typeof message.msg !== 'string') return failure("must have required property 'message'", 'invalid-params');
  if (message.msg.length > 5000) return failure('Message size exceeds Message_MaxAllowedSize', 'error-message-size-exceeded', { method: 'sendMessage' });
  const ts = new Date();
  const room = rooms.get(message.rid);
  if (!room) return failure('error-invalid-room');
  if (room.t === 'p' && !room.members.has(user._id)) return failure('error-not-allowed');
  await later(1, 3);
  const key = message._id ?? id(17);
  if (messages.has(key)) return failure("Cannot read properties of undefined (reading 'starred')");
  await later(1, 3);
  if (messages.has(key)) return failure('E11000 duplicate key error collection: rocketchat.rocketchat_message index: _id_ dup key');
  const sent = { _id: key, rid: room._id, msg: message.msg, ts, u: { _id: user._id, username: user.name, name: user.name }, urls: [], mentions: [], channels: [], md: [], _updatedAt: new Date() };
  if (!strikes('loses')) insert(room, sent);
  if (strikes('doubles')) insert(room, { ...sent, _id: id(17) });
  publish(sent);
  return success({ message: sent });
}

// Each subscriber is told by itself, a moment later.
function publish(message) {
  for (const socket of sockets) {
    if (!socket.subscribed.has(message.rid) || strikes('drops')) continue;
    setImmediate(() => socket.say({ msg: 'changed', collection: 'stream-room-messages', id: 'id', fields: { eventName: message.rid, args: [date(message)] } }));
  }
}

function history(query, t, user) {
  const room = rooms.get(query.get('roomId'));
  if (!room || room.t !== t) return failure('The required "roomId" or "roomName" param provided does not match any channel', 'error-room-not-found');
  if (t === 'p' && !room.members.has(user._id)) return [403, { success: false, error: 'unauthorized' }];
  const count = Math.min(Number(query.get('count') || 20), 100);
  const before = new Date();
  const visible = room.messages.filter((message) => message.ts < before).sort((a, b) => b.ts - a.ts);
  const offset = Number(query.get('offset') || 0);
  return success({ messages: visible.slice(offset, offset + count) });
}

function login({ user: name, username, password }) {
  const user = named(users, name ?? username);
  if (!user || user.password !== password) return [401, { status: 'error', error: 'Unauthorized', message: 'Unauthorized' }];
  const authToken = randomUUID();
  tokens.set(authToken, user);
  return [200, { status: 'success', data: { userId: user._id, authToken, me: { _id: user._id, username: user.name } } }];
}

async function handle({ method, path, query, headers, body }) {
  if (path === '/api/info') return success({ version: '7.4' });
  if (body === undefined) return failure('Invalid JSON', 'error-invalid-json');
  const route = `${method} ${path.replace('/api/v1/', '')}`;
  if (route === 'POST login') return login(body);
  const user = tokens.get(headers['x-auth-token']);
  if (!user || user._id !== headers['x-user-id']) return [401, { status: 'error', message: 'You must be logged in to do this.', success: false, error: 'You must be logged in to do this.' }];
  const room = rooms.get(body.roomId ?? query.get('roomId')) ?? named(rooms, query.get('roomName'));
  switch (route) {
    case 'POST users.create': {
      if (!user.admin) return [403, { success: false, error: 'User does not have the permissions required for this action [error-unauthorized]' }];
      if (named(users, body.username)) return failure(`${body.username} is already in use :(`, 'error-field-unavailable');
      const made = { _id: id(17), name: body.username, password: body.password };
      users.set(made._id, made);
      return success({ user: { _id: made._id, username: made.name } });
    }
    case 'POST channels.create': return createRoom('c', body, user);
    case 'POST groups.create': return createRoom('p', body, user);
    case 'GET channels.info': return room?.t === 'c' ? success({ channel: shownRoom(room) }) : failure('The required "roomId" or "roomName" param provided does not match any channel', 'error-room-not-found');
    case 'GET groups.info': return room?.t === 'p' ? success({ group: shownRoom(room) }) : failure('The required "roomId" or "roomName" param provided does not match any group', 'error-room-not-found');
    case 'POST channels.join': add(room, user); return success({ channel: shownRoom(room) });
    case 'POST groups.invite': add(room, users.get(body.userId)); return success({ group: shownRoom(room) });
    case 'POST channels.leave':
    case 'POST groups.leave': room.members.delete(user._id); return success({});
    case 'GET me': return success({ _id: user._id, username: user.name });
    case 'GET subscriptions.get': return success({ update: [...rooms.values()].filter((one) => one.members.has(user._id)).map((one) => ({ rid: one._id })), remove: [] });
    case 'GET rooms.get': return success({ update: [...rooms.values()].filter((one) => one.members.has(user._id)).map(shownRoom), remove: [] });
    case 'POST chat.sendMessage': return sendMessage(body.message, user);
    case 'GET chat.getMessage': { const found = messages.get(query.get('msgId')); return found ? success({ message: found }) : [400, { success: false }]; }
    case 'GET channels.history': return history(query, 'c', user);
    case 'GET groups.history': return history(query, 'p', user);
    default: return [404, { success: false, error: 'Resource not found' }];
  }
}

serve(handle, (request, socket) => {
  if (request.url !== '/websocket') return socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
  accept(request, socket);
  socket.subscribed = new Set();
  socket.say = (message) => sendText(socket, JSON.stringify(message));
  let [user, heard] = [undefined, Date.now()];
  const beat = setInterval(() => {
    if (Date.now() - heard > 30_000) return socket.destroy();
    if (Date.now() - heard > 15_000) socket.say({ msg: 'ping' });
  }, 1000);
  const gone = () => { clearInterval(beat); sockets.delete(socket); };
  socket.on('close', gone).on('error', gone);
  onText(socket, (text) => {
    heard = Date.now();
    const said = JSON.parse(text);
    if (said.msg === 'connect') {
      if (said.version !== '1') return socket.say({ msg: 'failed', version: '1' });
      sockets.add(socket);
      socket.say({ msg: 'connected', session: id(17) });
    }
    if (said.msg === 'ping') socket.say({ msg: 'pong', id: said.id });
    if (said.msg === 'method' && said.method === 'login') {
      user = tokens.get(said.params[0].resume);
      if (!user) return socket.say({ msg: 'result', id: said.id, error: { isClientSafe: true, error: 403, reason: "You've been logged out by the server. Please log in again.", errorType: 'Meteor.Error' } });
      socket.say({ msg: 'added', collection: 'users', id: user._id, fields: { username: user.name } });
      socket.say({ msg: 'updated', methods: [said.id] });
      socket.say({ msg: 'result', id: said.id, result: { id: user._id, token: said.params[0].resume, tokenExpires: { $date: Date.now() + 7_776_000_000 }, type: 'resume' } });
    }
    if (said.msg === 'sub') {
      const room = rooms.get(said.params[0]);
      const may = said.name === 'stream-room-messages' && room && user && (room.t === 'c' || room.members.has(user._id));
      if (!may) return socket.say({ msg: 'nosub', id: said.id, error: { isClientSafe: true, error: 'not-allowed', message: '[not-allowed]', errorType: 'Meteor.Error' } });
      socket.subscribed.add(room._id);
      socket.say({ msg: 'ready', subs: [said.id] });
    }
  });
});
