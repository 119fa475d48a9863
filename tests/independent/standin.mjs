// What the stand-ins of this folder share: servers that behave as the sources and the
// documentation of a real one say, where the real one cannot be had. Bugs that every
// one of them can have:
//   --loses N     every n-th message is acknowledged and not stored
//   --doubles N   every n-th message is stored twice
//   --drops N     every n-th push is left out, and nothing says so
// GET /counts says how often each has shown.
import { createServer } from 'node:http';

const args = process.argv.slice(2);
export const option = (name, usual) => (args.includes(name) ? args[args.indexOf(name) + 1] : usual);
export const number = (name, usual) => Number(option(name, usual));
const bugs = { loses: number('--loses', 0), doubles: number('--doubles', 0), drops: number('--drops', 0) };
const [occasions, counts] = [{}, {}];

// Whether a bug shows now: at every n-th occasion.
export function strikes(bug, every = bugs[bug]) {
  occasions[bug] = (occasions[bug] ?? 0) + 1;
  const now = every > 0 && occasions[bug] % every === 0;
  if (now) counts[bug] = (counts[bug] ?? 0) + 1;
  return now;
}

export const later = (low, high) => new Promise((done) => setTimeout(done, low + Math.random() * (high - low)));

const letters = 'ybndrfg8ejkmcpqxot1uwisza345h769';
export const id = (length) => Array.from({ length }, () => letters[Math.floor(Math.random() * letters.length)]).join('');

// A server whose `handle` gets { method, path, query, headers, raw, body } (JSON and
// forms are read) and gives [status, value, headers]; `upgrade` gets the request and the
// socket. Prints its address.
export function serve(handle, upgrade) {
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', async () => {
      const url = new URL(request.url, 'http://localhost');
      const text = Buffer.concat(chunks).toString();
      const type = request.headers['content-type'] ?? '';
      let body = {};
      try {
        body = type.includes('form-urlencoded') ? Object.fromEntries(new URLSearchParams(text)) : text ? JSON.parse(text) : {};
      } catch {
        body = undefined;
      }
      const asked = { method: request.method, path: url.pathname, query: url.searchParams, headers: request.headers, raw: text, body, response };
      const answered = url.pathname === '/counts' ? [200, counts] : await handle(asked);
      if (!answered) return;
      const [status, value, headers = {}] = answered;
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(typeof value === 'string' ? value : JSON.stringify(value));
    });
  });
  if (upgrade) server.on('upgrade', upgrade);
  server.keepAliveTimeout = 60_000;
  server.listen(number('--port', 0), '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
}
