// WebSockets by hand, for the servers of this folder: RFC 6455, text frames.
import { createHash } from 'node:crypto';

// Accepts an upgrade, with a subprotocol where one is given.
export function accept(request, socket, protocol) {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const answer = createHash('sha1').update(key).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${answer}\r\n${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ''}\r\n`);
}

// Calls `take` with the text of each frame; closes and pings are answered.
export function onText(socket, take) {
  let pending = Buffer.alloc(0);
  socket.on('data', (data) => {
    pending = Buffer.concat([pending, data]);
    for (let frame = next(); frame; frame = next()) {
      if (frame.opcode === 8) return socket.end(Buffer.from([0x88, 0]));
      if (frame.opcode === 9) socket.write(Buffer.from([0x8a, 0]));
      if (frame.opcode === 1) take(frame.text);
    }
  });
  function next() {
    if (pending.length < 6) return undefined;
    let [length, at] = [pending[1] & 127, 2];
    if (length === 126) [length, at] = [pending.readUInt16BE(2), 4];
    if (pending.length < at + 4 + length) return undefined;
    const mask = pending.subarray(at, at + 4);
    const text = Buffer.from(pending.subarray(at + 4, at + 4 + length).map((byte, rank) => byte ^ mask[rank % 4])).toString();
    const opcode = pending[0] & 15;
    pending = pending.subarray(at + 4 + length);
    return { opcode, text };
  }
}

// Sends a text as one frame, or as several with a ping after the first.
export function sendText(socket, text, cutAfter = 0) {
  const body = Buffer.from(text);
  const parts = cutAfter && body.length > 2 * cutAfter ? [body.subarray(0, cutAfter), body.subarray(cutAfter)] : [body];
  parts.forEach((part, rank) => {
    const first = (rank === parts.length - 1 ? 0x80 : 0) | (rank === 0 ? 1 : 0);
    const head = part.length < 126 ? Buffer.from([first, part.length]) : Buffer.from([first, 126, part.length >> 8, part.length & 255]);
    if (rank === 1) socket.write(Buffer.from([0x89, 0]));
    socket.write(Buffer.concat([head, part]));
  });
}
