// HTTP CONNECT with clients that nobody here wrote.

import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { Network, Rig } from '../rig/rig.ts';

async function gateway(rig: Rig, network: Network, ...flags: string[]): Promise<string[]> {
  const program = rig.fairlead('gateway', ...network.access(), ...flags);
  const [line] = await program.said(/^\{.*"msg":"ready".*\}$/m);
  return (JSON.parse(line) as { listen: string[] }).listen;
}

test('curl reaches a server on the node through CONNECT, and shows why it does not', async () => {
  await using rig = new Rig();
  const server = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => server.close());
  const { port } = server.address() as { port: number };
  const network = await Network.start(rig, `127.0.0.1:${port}`);
  const [address] = await gateway(rig, network, '--http-connect', '127.0.0.1:0');
  const curl = (url: string) =>
    rig.run('curl', ['-sS', '-p', '--max-time', '20', '--proxy', `http://${address}`, url]);

  const page = await curl(`http://edge-1:${port}/`);
  expect(page.stdout.toString(), page.stderr).toBe('hello');
  const unknown = await curl('http://nobody.example/');
  expect(unknown.stderr).toContain('response 404');
});
