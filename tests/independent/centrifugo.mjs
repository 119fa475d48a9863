// A stand-in for Centrifugo 6, after its source and documentation: the server API with
// X-API-Key (errors with status 200), idempotency keys within a channel, streams with
// offsets, and the JSON protocol over WebSocket: lines of JSON, several in a frame, a
// ping of `{}` that is to be answered. The key is $CENTRIFUGO_API_KEY. --window S: an
// idempotency key is remembered so long; --history N: messages of a channel that are kept.
import { id, number, serve, strikes } from './standin.mjs';
import { accept, onText, sendText } from './websocket.mjs';

const [window, history] = [number('--window', 300) * 1000, number('--history', 100_000)];
const channels = new Map();
const sockets = new Set();
const error = (code, message) => [200, { error: { code, message } }];

function channel(name) {
  if (!channels.has(name)) channels.set(name, { offset: 0, epoch: id(4), publications: [], keys: new Map() });
  return channels.get(name);
}

function publish({ channel: name, data, idempotency_key: key }) {
  if (!name || data === undefined) return error(107, 'bad request');
  const here = channel(name);
  const known = here.keys.get(key);
  if (key && known && Date.now() < known.until) return [200, { result: known.result }];
  const publication = { data, offset: (here.offset += 1) };
  if (!strikes('loses')) here.publications.push(publication);
  if (strikes('doubles')) here.publications.push({ data, offset: (here.offset += 1) });
  while (here.publications.length > history) here.publications.shift();
  const result = { offset: publication.offset, epoch: here.epoch };
  if (key) here.keys.set(key, { result, until: Date.now() + window });
  for (const socket of sockets) if (socket.names.has(name) && !strikes('drops')) socket.say({ push: { channel: name, pub: publication } });
  return [200, { result }];
}

function read({ channel: name, limit, since, reverse }) {
  const here = channel(name);
  if (since?.epoch && since.epoch !== here.epoch) return error(112, 'unrecoverable position');
  const found = here.publications.filter(({ offset }) => !since || (reverse ? offset < since.offset : offset > since.offset));
  const limited = limit > 0 ? found.slice(0, limit) : limit === -1 ? found : [];
  return [200, { result: { publications: limited, offset: here.offset, epoch: here.epoch } }];
}

serve(({ path, headers, body }) => {
  if (headers['x-api-key'] !== process.env.CENTRIFUGO_API_KEY) return [401, { error: { code: 101, message: 'unauthorized' } }];
  if (path === '/api/info') return [200, { result: { nodes: [{ version: '6.9.1' }] } }];
  if (path === '/api/publish') return publish(body ?? {});
  if (path === '/api/history') return read(body ?? {});
  return [404, ''];
}, (request, socket) => {
  if (request.url !== '/connection/websocket') return socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
  accept(request, socket);
  socket.names = new Set();
  let [waiting, connected, answered] = [[], false, true];
  // What comes at the same moment goes out in one frame, a line each.
  socket.say = (message) => {
    if (waiting.push(JSON.stringify(message)) === 1) setImmediate(() => sendText(socket, waiting.splice(0).join('\n')));
  };
  const ping = setInterval(() => {
    if (!answered) return socket.end(Buffer.from([0x88, 2, 0x0b, 0xc4]));
    answered = false;
    socket.say({});
  }, number('--ping', 25) * 1000);
  const gone = () => { clearInterval(ping); sockets.delete(socket); };
  socket.on('close', gone).on('error', gone);
  onText(socket, (text) => {
    for (const line of text.split('\n').filter(Boolean)) {
      const command = JSON.parse(line);
      if (Object.keys(command).length === 0) { answered = true; continue; }
      if (command.connect) {
        connected = true;
        sockets.add(socket);
        socket.say({ id: command.id, connect: { client: id(36), version: '6.9.1', ping: 25, pong: true } });
      } else if (command.subscribe && connected) {
        const name = command.subscribe.channel;
        if (socket.names.has(name)) { socket.say({ id: command.id, error: { code: 105, message: 'already subscribed' } }); continue; }
        socket.names.add(name);
        socket.say({ id: command.id, subscribe: { recoverable: true, epoch: channel(name).epoch, offset: channel(name).offset, positioned: true } });
      } else socket.say({ id: command.id, error: { code: 107, message: 'bad request' } });
    }
  });
});
