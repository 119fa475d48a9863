// A stand-in for Mattermost 10 (Team Edition), after its source: accounts and sessions,
// the cache of pending_post_id (25,000 keys of the whole server, 30 s, an error while the
// first post is being stored, and the other's post for another user who may read it),
// posts with create_at in ms, pages, and a WebSocket whose connections can be taken up
// again with what they missed (128 events, five minutes). --window S: another cache.
import { id, later, number, serve, strikes } from './standin.mjs';
import { accept, onText, sendText } from './websocket.mjs';

const window = number('--window', 30) * 1000;
const kept = number('--dead-queue', 128);
const stale = 300_000;
const [users, sessions, teams, channels, posts, seen, connections] = Array.from({ length: 7 }, () => new Map());
const of = (id, status, message = '') => [status, { id, message, detailed_error: '', request_id: 'r', status_code: status }];
const named = (map, name) => [...map.values()].find((one) => one.name === name);
const denied = () => of('api.context.permissions.app_error', 403, 'You do not have the appropriate permissions.');

function createUser({ username, email, password }, maker) {
  if (!/^[a-z][a-z0-9._-]{0,63}$/.test(username ?? '')) return of('model.user.is_valid.username.app_error', 400);
  if ((password ?? '').length < 8) return of('model.user.is_valid.pwd_min_length.app_error', 400);
  if (named(users, username)) return of('app.user.save.username_exists.app_error', 400);
  if ([...users.values()].some((user) => user.email === email)) return of('app.user.save.email_exists.app_error', 400);
  const user = { id: id(26), name: username, email, password, admin: users.size === 0 && !maker };
  users.set(user.id, user);
  return [201, { id: user.id, username, email }];
}

function createTeam({ name, type }, user) {
  if (!/^[a-z][a-z0-9-]+$/.test(name ?? '') || /^(admin|api|channel|claim|error|files|help|landing|login|mfa|oauth|plug|plugins|post|signup|boards|playbooks)/.test(name)) {
    return of('model.team.is_valid.reserved.app_error', 400);
  }
  if (named(teams, name)) return of('app.team.save.existing.app_error', 400);
  const team = { id: id(26), name, type, members: new Set([user.id]) };
  teams.set(team.id, team);
  return [201, { id: team.id, name, type }];
}

function createChannel({ team_id: teamId, name, type, display_name: shown }, user) {
  const team = teams.get(teamId);
  if (!team?.members.has(user.id)) return denied();
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(name ?? '') || !'OP'.includes(type) || !shown) return of('model.channel.is_valid.1_or_more.app_error', 400);
  if ([...channels.values()].some((one) => one.name === name && one.team === team)) return of('store.sql_channel.save_channel.exists.app_error', 400);
  const channel = { id: id(26), name, type, team, members: new Set(), posts: [] };
  channels.set(channel.id, channel);
  join(channel, user, 'system_join_channel');
  return [201, shownChannel(channel)];
}
const shownChannel = (channel) => ({ id: channel.id, team_id: channel.team.id, type: channel.type, name: channel.name });

function join(channel, user, type) {
  if (channel.members.has(user.id)) return;
  channel.members.add(user.id);
  publish(channel, store(channel, { user_id: user.id, message: `${user.name} joined the channel.`, type, pending_post_id: '' }), user);
}

function store(channel, given) {
  const now = Date.now();
  const post = { id: id(26), create_at: now, update_at: now, edit_at: 0, delete_at: 0, is_pinned: false, channel_id: channel.id, root_id: '', props: {}, file_ids: [], metadata: {}, ...given };
  if (given.type || !strikes('loses')) {
    // The table has no column for the key.
    const row = { ...post, pending_post_id: '' };
    posts.set(post.id, row);
    channel.posts.push(row);
    if (!given.type && strikes('doubles')) channel.posts.push({ ...row, id: id(26) });
  }
  return post;
}

async function createPost({ channel_id: channelId, message, pending_post_id: key = '' }, user) {
  const channel = channels.get(channelId);
  if (!channel?.members.has(user.id)) return denied();
  const cached = key && seen.get(key);
  if (cached && Date.now() < cached.until) {
    if (!cached.post) return of('api.post.deduplicate_create_post.pending', 500, 'Rejected post since another client is making the same request.');
    const found = posts.get(cached.post);
    if (!found) return of('api.post.deduplicate_create_post.failed_to_get', 500);
    if (channels.get(found.channel_id).members.has(user.id)) return [201, found];
  } else if (key) {
    if (seen.size >= 25_000) seen.delete(seen.keys().next().value);
    seen.set(key, { post: '', until: Date.now() + window });
  }
  if ([...(message ?? '')].length > 16_383) {
    seen.delete(key);
    return of('model.post.is_valid.message_length.app_error', 400);
  }
  await later(1, 5);
  const post = store(channel, { user_id: user.id, message, type: '', pending_post_id: key });
  if (key) seen.set(key, { post: post.id, until: Date.now() + window });
  publish(channel, post, user);
  return [201, post];
}

// An event for whoever is a member, connected or away for a while.
function publish(channel, post, user) {
  const data = { channel_display_name: channel.name, channel_name: channel.name, channel_type: channel.type, post: JSON.stringify(post), sender_name: `@${user.name}`, set_online: true, team_id: channel.team.id };
  for (const connection of connections.values()) {
    if (channel.members.has(connection.user.id)) emit(connection, { event: 'posted', data, broadcast: { omit_users: null, user_id: '', channel_id: channel.id, team_id: '', connection_id: '', omit_connection_id: '' } });
  }
}

function emit(connection, event) {
  if (event.event === 'posted' && connection.socket && strikes('drops')) return;
  if (!connection.socket) {
    connection.waiting.push(event);
    // A queue that is full ends the connection.
    if (connection.waiting.length > 256) connections.delete(connection.id);
    return;
  }
  const sent = { ...event, seq: connection.seq++ };
  connection.dead.push(sent);
  if (connection.dead.length > kept) connection.dead.shift();
  sendText(connection.socket, JSON.stringify(sent));
}

const hello = (connection) => ({ event: 'hello', data: { connection_id: connection.id, server_hostname: 'h', server_version: '10.5.1.10.5.1.x.false' }, broadcast: { omit_users: null, user_id: connection.user.id, channel_id: '', team_id: '', connection_id: '', omit_connection_id: '' } });

function page(channel, query) {
  const size = Math.min(Number(query.get('per_page') ?? 60), 200);
  const from = Number(query.get('page') ?? 0) * size;
  const newest = [...channel.posts].sort((a, b) => b.create_at - a.create_at).slice(from, from + size);
  return [200, { order: newest.map((post) => post.id), posts: Object.fromEntries(newest.map((post) => [post.id, post])), next_post_id: '', prev_post_id: '', has_next: false }];
}

function handle({ method, path, query, headers, body }) {
  const route = `${method} ${path.replace(/^\/api\/v4/, '')}`;
  const token = headers.authorization?.replace(/^bearer /i, '');
  const user = sessions.get(token);
  if (route === 'GET /system/ping') return [200, { status: 'OK' }];
  if (route === 'POST /users') return createUser(body, user);
  if (route === 'POST /users/login') {
    const found = [...users.values()].find((one) => one.name === body.login_id || one.email === body.login_id);
    if (found?.password !== body.password) return of('api.user.login.invalid_credentials_email_username', 401);
    const fresh = id(26);
    sessions.set(fresh, found);
    return [200, { id: found.id, username: found.name }, { token: fresh }];
  }
  if (!user) return of('api.context.session_expired.app_error', 401, 'Invalid or expired session, please login again.');
  if (route === 'GET /config/client') return [200, { Version: '10.5.1' }];
  if (route === 'GET /users/me') return [200, { id: user.id, username: user.name }];
  if (route === 'POST /teams') return createTeam(body, user);
  if (route === 'POST /channels') return createChannel(body, user);
  if (route === 'POST /posts') return createPost(body, user);
  let at;
  if ((at = route.match(/^GET \/users\/username\/([^/]+)$/))) {
    const found = named(users, at[1]);
    return found ? [200, { id: found.id, username: found.name }] : of('app.user.missing_account.const', 404);
  }
  if ((at = route.match(/^GET \/teams\/name\/([^/]+)$/))) {
    const team = named(teams, at[1]);
    return team ? [200, { id: team.id, name: team.name }] : of('app.team.get_by_name.missing.app_error', 404);
  }
  if ((at = route.match(/^POST \/teams\/([^/]+)\/members$/))) {
    const team = teams.get(at[1]);
    if (body.user_id !== user.id && !user.admin && !team?.members.has(user.id)) return denied();
    team.members.add(body.user_id);
    return [201, { team_id: team.id, user_id: body.user_id }];
  }
  if ((at = route.match(/^GET \/users\/me\/teams\/([^/]+)\/channels(\/members)?$/))) {
    return [200, [...channels.values()].filter((channel) => channel.members.has(user.id)).map(shownChannel)];
  }
  if ((at = route.match(/^GET \/teams\/([^/]+)\/channels\/name\/([^/]+)$/))) {
    const channel = [...channels.values()].find((one) => one.team.id === at[1] && one.name === at[2]);
    if (!channel || (channel.type === 'P' && !channel.members.has(user.id))) return of('app.channel.get_by_name.missing.app_error', 404);
    return [200, shownChannel(channel)];
  }
  if ((at = route.match(/^GET \/posts\/([^/]+)$/))) {
    const post = posts.get(at[1]);
    return post ? [200, post] : of('app.post.get.app_error', 404);
  }
  if (!(at = route.match(/^\S+ \/channels\/([^/]+)(\/.*)?$/))) return of('api.context.404.app_error', 404);
  const channel = channels.get(at[1]);
  if (!channel) return of('app.channel.get.existing.app_error', 404);
  const [inside, mayRead] = [channel.members.has(user.id), channel.type === 'O' || channel.members.has(user.id)];
  if (method === 'GET' && at[2] === '/posts') return mayRead ? page(channel, query) : denied();
  if (method === 'POST' && at[2] === '/members') {
    if (!(inside || user.admin || (channel.type === 'O' && body.user_id === user.id))) return denied();
    join(channel, users.get(body.user_id), body.user_id === user.id ? 'system_join_channel' : 'system_add_to_channel');
    return [201, { channel_id: channel.id, user_id: body.user_id }];
  }
  if (method === 'DELETE' && at[2]?.startsWith('/members/')) {
    channel.members.delete(at[2].slice('/members/'.length));
    return [200, { status: 'OK' }];
  }
  return method === 'DELETE' ? [200, { status: 'OK' }] : of('api.context.404.app_error', 404);
}

serve(handle, (request, socket) => {
  const url = new URL(request.url, 'http://localhost');
  const user = sessions.get(request.headers.authorization?.replace(/^bearer /i, ''));
  accept(request, socket);
  socket.on('error', () => {});
  if (!user) return void setTimeout(() => socket.destroy(), 5000);
  const asked = connections.get(url.searchParams.get('connection_id'));
  let connection = asked;
  if (asked && asked.user === user && !asked.socket) {
    const wanted = Number(url.searchParams.get('sequence_number'));
    const missed = asked.dead.filter((event) => event.seq >= wanted);
    clearTimeout(asked.reaper);
    asked.socket = socket;
    if (missed.length && missed[0].seq === wanted) missed.forEach((event) => sendText(socket, JSON.stringify(event)));
    else if (asked.seq !== wanted) {
      connections.delete(asked.id);
      Object.assign(asked, { id: id(26), seq: 0, dead: [] });
      connections.set(asked.id, asked);
      emit(asked, hello(asked));
    }
    asked.waiting.splice(0).forEach((event) => emit(asked, event));
  } else {
    connection = { id: id(26), user, socket, seq: 0, dead: [], waiting: [] };
    connections.set(connection.id, connection);
    emit(connection, hello(connection));
  }
  onText(socket, (text) => {
    const said = JSON.parse(text);
    if (said.action === 'ping') sendText(socket, JSON.stringify({ status: 'OK', data: { node_id: '', server_time: Date.now(), text: 'pong', version: '10.5.1' }, seq_reply: said.seq }));
  });
  socket.on('close', () => {
    if (connection.socket !== socket) return;
    connection.socket = undefined;
    connection.reaper = setTimeout(() => connections.delete(connection.id), stale);
  });
});
