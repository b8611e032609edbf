// A real HTTP proxy, and what it says of those who came.

import { readFileSync } from 'node:fs';
import { freePort } from './free-port.ts';
import type { Rig } from './rig.ts';

export interface TinyProxy {
  readonly port: number;
  /** What it was asked for: `CONNECT host:port`. */
  requests(): string[];
}

/** `command` says where it runs; `lines` are of its configuration. */
export async function startTinyProxy(
  rig: Rig,
  name: string,
  lines: readonly string[] = [],
  place?: { readonly listen: string; readonly within: (...command: string[]) => [string, string[]] },
): Promise<TinyProxy> {
  const port = place === undefined ? await freePort() : 3128;
  const log = rig.path(`${name}.log`);
  const config = rig.write(
    `${name}.conf`,
    [
      `Port ${port}`,
      `Listen ${place?.listen ?? '127.0.0.1'}`,
      'Timeout 60',
      `LogFile "${log}"`,
      'LogLevel Connect',
      'MaxClients 50',
      ...lines,
      '',
    ].join('\n'),
  );
  const command = ['tinyproxy', '-d', '-c', config];
  const [program, args] = place?.within(...command) ?? ['tinyproxy', command.slice(1)];
  const proxy = rig.start(program, args);
  const curl = ['curl', '-s', '-o', '/dev/null', `http://${place?.listen ?? '127.0.0.1'}:${port}/`];
  const [prober, probe] = place?.within(...curl) ?? ['curl', curl.slice(1)];
  // Whatever it answers, it listens.
  while ((await rig.run(prober, probe)).code !== 0)
    if (proxy.child.exitCode !== null) throw new Error(`tinyproxy ended: ${proxy.log}`);
  return {
    port,
    requests: () => [...readFileSync(log, 'utf8').matchAll(/CONNECT [^ ]+/g)].map(([request]) => request),
  };
}
