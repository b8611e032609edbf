// A name server that knows one name, `broker.test`, in each host of a site: `name-server ADDRESS`.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { hubAddress, type Site } from './site.ts';

export async function nameServer(site: Site): Promise<void> {
  const program = fileURLToPath(import.meta.url).replace(
    /(dist\/)?test\/faults\/name-server\.[jt]s$/,
    'dist/test/faults/name-server.js',
  );
  for (const host of [site.hub, site.edge]) {
    const server = site.run(host, process.execPath, program, hubAddress);
    if (server.child.stdout !== null) await once(server.child.stdout, 'data');
    site.nameServers.push(server);
  }
}

function serve(address: string): void {
  const socket = createSocket('udp4');
  socket.on('message', (query, peer) => {
    // RFC 1035 §4.1: the header is 12 bytes; the question is a name, a type and a class.
    const end = query.indexOf(0, 12) + 5;
    const isKnown = query.subarray(13, 24).toString() === `broker${String.fromCharCode(4)}test`;
    const isAddress = query.readUInt16BE(end - 4) === 1;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(isKnown ? 0x8580 : 0x8583, 2);
    header.writeUInt16BE(isKnown && isAddress ? 1 : 0, 6);
    header.writeUInt32BE(0, 8);
    const answer =
      isKnown && isAddress
        ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)])
        : Buffer.alloc(0);
    socket.send(Buffer.concat([header, query.subarray(12, end), answer]), peer.port, peer.address);
  });
  socket.bind(53, '127.0.0.1', () => process.stdout.write('ready\n'));
}

if (process.argv[1]?.endsWith('name-server.js')) serve(process.argv[2] ?? '');
