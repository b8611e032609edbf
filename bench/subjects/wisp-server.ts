// A Wisp server with its defaults, but for loopback targets, which it refuses by default.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { logging, server as wisp } from '@mercuryworkshop/wisp-js/server';

logging.set_level(logging.NONE);
Object.assign(wisp.options, { allow_loopback_ips: true, allow_private_ips: true });
const server = createServer();
server.on('upgrade', (request, socket, head) => wisp.routeRequest(request, socket, head));
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [`127.0.0.1:${port}`] })}\n`);
});
