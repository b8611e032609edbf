// kube-apiserver's CONNECT, byte for byte, many times at once, in a process of its own: node replay-client.js PATH
// AUTHORITY COUNT. Reads each answer as the original does, with one read of at most 4096 bytes, and reports what was
// in it beyond the head. Then reads what the target says.

import { connect } from 'node:net';

const [path = '', authority = '', count = '1'] = process.argv.slice(2);

interface Dial {
  readonly statusLine: string;
  /** Bytes that came with the head. */
  readonly beyond: number;
  readonly banner: string;
}

function dial(): Promise<Dial> {
  return new Promise((resolve, reject) => {
    const buffer = Buffer.alloc(4096);
    let head: string | undefined;
    let beyond = 0;
    let banner = '';
    const socket = connect({
      path,
      onread: {
        buffer,
        callback(bytes) {
          const text = buffer.subarray(0, bytes).toString('latin1');
          if (head === undefined) {
            const end = text.indexOf('\r\n\r\n');
            head = text.slice(0, end < 0 ? bytes : end);
            beyond = end < 0 ? -1 : bytes - end - 4;
            banner = text.slice(bytes - Math.max(0, beyond));
          } else {
            banner += text;
          }
          if (banner.endsWith('\n')) {
            resolve({ statusLine: head.split('\r\n')[0] ?? '', beyond, banner });
            socket.destroy();
          }
          return true;
        },
      },
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`closed after: ${head ?? 'nothing'}`)));
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  });
}

const results = await Promise.allSettled(Array.from({ length: Number(count) }, () => dial()));
process.stdout.write(
  JSON.stringify(
    results.map((result) =>
      result.status === 'fulfilled' ? result.value : { failed: String(result.reason) },
    ),
  ),
);
