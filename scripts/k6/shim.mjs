// Runs a k6 script without k6, as far as history.js needs it: for the tests of
// a machine that has Node.js and no k6. Not a load generator.
//
//   node --experimental-websocket scripts/k6/shim.mjs SCRIPT [NAME=VALUE ...]
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [path, ...settings] = process.argv.slice(2);
const environment = Object.fromEntries(settings.map((setting) => setting.split('=')));
const exec = { scenario: { iterationInTest: 0 }, vu: { idInInstance: 0 } };

// k6's HTTP calls block; a process each does, too.
const http = {
  post(url, fields, { headers }) {
    const form = Object.entries(fields).flatMap(([name, value]) => ['--data-urlencode', `${name}=${value}`]);
    const header = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const output = execFileSync('curl', ['-s', '-w', '\n%{http_code}', ...header, ...form, url], { encoding: 'utf8' });
    const end = output.lastIndexOf('\n');
    return { status: Number(output.slice(end + 1)), body: output.slice(0, end) };
  },
};
const pause = (seconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const source = readFileSync(path, 'utf8').replace(/^import .*$/gm, '').replace(/^export (function|const)/gm, '$1');
const build = new Function('exec', 'http', 'WebSocket', 'sleep', '__ENV', `${source}\nreturn { options, setup, talk, listen, teardown };`);
const script = build(exec, http, WebSocket, pause, environment);
const { listen, talk } = script.options.scenarios;

const data = script.setup();
for (let vu = 1; vu <= listen.vus; vu++) {
  exec.vu.idInInstance = vu;
  script.listen(data);
}
await wait(parseFloat(talk.startTime) * 1000);
const start = Date.now();
for (let n = 0; n < talk.rate * parseFloat(talk.duration); n++) {
  await wait(start + (n * 1000) / talk.rate - Date.now());
  exec.scenario.iterationInTest = n;
  script.talk(data);
}
await wait(data.end - Date.now() + 3000);
script.teardown(data);
