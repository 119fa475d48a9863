// Merlin, a chat API that does not exist; merlin.toml is its profile. Its documentation:
//
// HTTP Basic with a name and the password that PUT /people/NAME (text: the password) set.
// PUT /halls/HALL, PUT /halls/HALL/seats/NAME. Text is plain text, not JSON.
// PUT /halls/HALL/notes/KEY (text: the note) says "OK N" (201), or "SEEN N" (200) where
// the hall has a note under that KEY. 4xx: "NO why". Notes are numbered over all halls.
// POST /wait {"at": AT, "halls": [HALL…]} answers within two seconds:
// {"at": AT, "halls": [{"cols": ["n", "key", "note"], "hall": HALL, "notes": [[N, KEY, NOTE]…]}]},
// what has come since AT; with null, only the AT of now. It remembers 200 notes.
// GET /halls/HALL/notes?past=N&most=M: a line of JSON a note, {"n", "key", "note"}, the oldest first,
// and X-More: true where there are more.
// Bugs of its own: --window S (a key is forgotten), --keys hall|all (within what it is
// known), --remembers N (the buffer of /wait; it begins after a gap and does not say so),
// --astray N (every n-th note is stored in the next hall), --late MS (notes can be read
// only so much later).
import { number, option, serve, strikes } from '../standin.mjs';

const [window, remembers, astray, late] = [number('--window', 1e6), number('--remembers', 200), number('--astray', 0), number('--late', 0)];
const everywhere = option('--keys', 'hall') === 'all';
const [people, halls, keys] = [new Map(), new Map(), new Map()];
const [buffer, waiting] = [[], new Set()];
let [last, at] = [0, 0];

function put(hall, key, note) {
  const scope = everywhere ? key : `${hall.name} ${key}`;
  const known = keys.get(scope);
  if (known && Date.now() < known.until) return [200, `SEEN ${known.n}`, { 'content-type': 'text/plain' }];
  const row = [(last += 1), key, note];
  keys.set(scope, { n: row[0], until: Date.now() + window * 1000 });
  const others = [...halls.values()].filter((other) => other !== hall);
  const place = strikes('astray', astray) ? others[last % others.length] : hall;
  if (!strikes('loses')) place.rows.push({ row, from: Date.now() + late });
  if (strikes('doubles')) place.rows.push({ row: [(last += 1), key, note], from: Date.now() });
  buffer.push({ at: (at += 1), hall: hall.name, row });
  if (buffer.length > remembers) buffer.shift();
  for (const wake of [...waiting]) wake();
  return [201, `OK ${row[0]}`, { 'content-type': 'text/plain' }];
}

function wait({ at: since, halls: wanted }) {
  if (since === null) return [200, { at, halls: [] }];
  return new Promise((done) => {
    const give = (late) => {
      const found = buffer.filter((note) => note.at > since && wanted.includes(note.hall));
      if (!found.length && !late) return;
      clearTimeout(timer);
      waiting.delete(give);
      const names = [...new Set(found.map(({ hall }) => hall))];
      const of = (name) => found.filter(({ hall }) => hall === name).map(({ row }) => row).filter(() => !strikes('drops'));
      done([200, { at, halls: names.map((name) => ({ cols: ['n', 'key', 'note'], notes: of(name), hall: name })) }]);
    };
    const timer = setTimeout(() => give(true), 2000);
    waiting.add(give);
    give(false);
  });
}

serve(({ method, path, query, headers, raw, body }) => {
  const [, kind, name, part, tail] = path.split('/').map(decodeURIComponent);
  if (method === 'PUT' && kind === 'people') return people.set(name, raw), [201, 'OK'];
  const [user, password] = Buffer.from(headers.authorization?.replace('Basic ', '') ?? '', 'base64').toString().split(':');
  if (!people.has(user) || people.get(user) !== password) return [401, 'NO who'];
  if (kind === 'wait') return wait(body);
  if (method === 'PUT' && !part) {
    if (!halls.has(name)) halls.set(name, { name, seats: new Set([user]), rows: [] });
    return [201, 'OK'];
  }
  const hall = halls.get(name);
  if (!hall) return [404, 'NO hall'];
  if (part === 'seats') return hall.seats.add(tail), [201, 'OK'];
  if (!hall.seats.has(user)) return [403, 'NO seat'];
  if (method === 'PUT') return put(hall, tail, raw);
  const most = Number(query.get('most'));
  const seen = hall.rows.filter(({ row, from }) => row[0] > Number(query.get('past') ?? 0) && from <= Date.now()).sort((a, b) => a.row[0] - b.row[0]);
  const lines = seen.slice(0, most).map(({ row: [n, key, note] }) => JSON.stringify({ n, key, note }));
  return [200, lines.join('\n'), { 'x-more': String(seen.length > most), 'content-type': 'application/x-ndjson' }];
});
