import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { EmulatedPath, pathAddresses } from '../rig/network/emulated-path.ts';
import { Namespace } from '../rig/network/namespace.ts';

const resources: Disposable[] = [];
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const resource of resources.splice(0).reverse()) resource[Symbol.dispose]();
});

function keep<T extends Disposable>(resource: T): T {
  resources.push(resource);
  return resource;
}

/** Listens on the first host; answers what comes with how many bytes it was. */
async function echoHost(host: Namespace): Promise<void> {
  const program = `require('net').createServer((s) => { let n = 0; s.on('data', (c) => { n += c.length; });
    s.on('end', () => s.end(String(n))); s.on('error', () => {}); }).listen(9000, () => console.log('up'))`;
  const child = spawn(...host.command(process.execPath, '-e', program), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
}

/** Sends so many bytes from the second host and answers what came, or the error. */
async function send(host: Namespace, bytes: number, limitMs: number): Promise<string> {
  const program = `const s = require('net').connect(9000, '${pathAddresses[0]}', () => s.end(Buffer.alloc(${bytes})));
    s.on('data', (c) => { console.log(String(c)); process.exit(); }); s.on('error', (e) => console.log(e.code));
    setTimeout(() => { console.log('silence'); process.exit(); }, ${limitMs})`;
  const child = spawn(...host.command(process.execPath, '-e', program), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [said] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return said.toString().trim();
}

async function twoHosts(conditions: Parameters<typeof EmulatedPath.between>[2], seed = 1) {
  const [near, far] = [keep(new Namespace('near')), keep(new Namespace('far'))];
  const path = keep(await EmulatedPath.between(near, far, conditions, { seed }));
  await echoHost(near);
  return { far, path };
}

test('a path that loses and reorders packets was seen to do so, and TCP goes over it', async () => {
  const { far, path } = await twoHosts({ delayMs: 5, loss: 0.02, reorder: 0.02 });
  expect(await send(far, 2_000_000, 50_000)).toBe('2000000');
  const { passed, lost, reordered } = await path.counts();
  expect(passed).toBeGreaterThan(1000);
  expect(lost).toBeGreaterThan(10);
  expect(reordered).toBeGreaterThan(10);
});

test('a path that goes dark swallows all and tells nobody, and carries again when it is light', async () => {
  const { far, path } = await twoHosts({ delayMs: 1 });
  await path.become({ delayMs: 1, isDark: true });
  expect(await send(far, 10, 1500)).toBe('silence');
  const { swallowed } = await path.become({ delayMs: 1 });
  expect(swallowed).toBeGreaterThan(0);
  expect(await send(far, 10, 50_000)).toBe('10');
});
