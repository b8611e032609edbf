// What systemd asks of a service, with real parts of it: units that it takes, readiness, and sockets that outlive us.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { handedOver } from '../../src/cli/service-manager.ts';
import { freePort } from '../rig/free-port.ts';
import { Rig } from '../rig/rig.ts';

const units = readdirSync('deploy/systemd').map((name) => `deploy/systemd/${name}`);

test('systemd takes the units, and finds little that they may do', async () => {
  await using rig = new Rig();
  // Where the package puts its command is not where this checkout has it.
  const copies = units.map((unit) =>
    rig.write(
      unit.slice(unit.lastIndexOf('/') + 1),
      readFileSync(unit, 'utf8').replaceAll('/usr/bin/fairlead', rig.fairleadPath),
    ),
  );
  const { code, stderr } = await rig.run('systemd-analyze', ['verify', '--man=no', ...copies]);
  expect({ code, stderr: stderr.split('\n').filter((line) => /fairlead-/.test(line)) }).toEqual({
    code: 0,
    stderr: [],
  });
  for (const copy of copies.filter((path) => path.endsWith('.service'))) {
    const { code: safe, stdout } = await rig.run('systemd-analyze', [
      ...['security', '--offline=true', '--threshold=25', '--no-pager', copy],
    ]);
    expect(safe, stdout.toString().slice(-300)).toBe(0);
  }
});

test('systemd hears that the broker is ready, that it stops, and its watchdog', async () => {
  await using rig = new Rig();
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  const path = rig.path('notify.sock');
  const receiver = rig.start('socat', ['-u', `UNIX-RECV:${path}`, 'STDERR']);
  while (!readdirSync(rig.directory).includes('notify.sock'))
    await new Promise((done) => setTimeout(done, 10));
  const args = ['broker', '--listen', '127.0.0.1:0', '--auth-secret-file', rig.path('secret')];
  const broker = rig.start(rig.fairleadPath, args, 'ignore', {
    env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '1000000' },
  });
  await receiver.said(/READY=1\nSTATUS=serving at ws:/);
  await receiver.said(/WATCHDOG=1/);
  await broker.kill('SIGTERM');
  await receiver.said(/STOPPING=1/);
});

test('a broker that restarts under a socket of systemd’s loses no connection', async () => {
  await using rig = new Rig();
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  const [port, pidFile] = [await freePort(), rig.path('pid')];
  // As under systemd, the socket outlives the broker, which is started again each time that it ends.
  const once = `echo $$ > ${pidFile}; LISTEN_PID=$$ LISTEN_FDS=1 exec ${rig.fairleadPath} broker --auth-secret-file ${rig.path('secret')} --listen 127.0.0.1:1`;
  const again = `trap 'kill $!; exit' TERM; while :; do sh -c '${once}' & wait; done`;
  const manager = rig.start('systemd-socket-activate', ['-l', `127.0.0.1:${port}`, 'sh', '-c', again]);
  rig.defer(() => manager.kill('SIGTERM'));
  await manager.said(/Listening on/);
  const ask = () => rig.run('curl', ['-sS', '--max-time', '30', `http://127.0.0.1:${port}/healthz`]);
  const good = { code: 0, said: expect.stringMatching('ok') };
  const first = await ask();
  expect({ code: first.code, said: first.stdout.toString() }).toEqual(good);
  expect(manager.log).toMatch(`"listen":["127.0.0.1:${port}"]`);
  const pid = readFileSync(pidFile, 'utf8');
  process.kill(Number(pid), 'SIGKILL');
  for (const { code, stdout } of await Promise.all([ask(), ask(), ask()]))
    expect({ code, said: stdout.toString() }).toEqual(good);
  expect(readFileSync(pidFile, 'utf8')).not.toBe(pid);
});

test('only a socket that is meant for this process is taken, and only one', () => {
  expect(handedOver({ LISTEN_PID: '7', LISTEN_FDS: '1' }, 7)).toBe(3);
  expect(handedOver({ LISTEN_PID: '8', LISTEN_FDS: '1' }, 7)).toBeUndefined();
  expect(handedOver({}, 7)).toBeUndefined();
  expect(() => handedOver({ LISTEN_PID: '7', LISTEN_FDS: '2' }, 7)).toThrow(/several sockets/);
});
