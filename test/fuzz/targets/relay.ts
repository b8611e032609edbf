// The broker's relay with links that come, say anything, stand still and go: it never throws, and no link hears a
// word of a session that is not its own.

import { encodeControl } from '../../../src/protocol/control.ts';
import { readSession } from '../../../src/protocol/envelope.ts';
import { type FakeLink, RelayUnderTest } from '../../unit/broker-fake-link.ts';
import { promise } from '../target.ts';

export function fuzz(data: Buffer): void {
  const relay = new RelayUnderTest({ maxSessionsPerNode: 6, maxUnanswered: 8 });
  const links: { link: FakeLink; session: bigint | undefined }[] = [];
  let at = 0;
  const byte = () => data[at++] ?? 0;
  while (at < data.length && links.length < 200) {
    const op = byte() % 9;
    const which = links[byte() % Math.max(1, links.length)];
    if (op === 0) {
      const instance = `instance-${byte() % 3}`;
      links.push({ link: relay.agent({ instance, attempt: byte() % 4 }), session: undefined });
    } else if (op === 1) {
      const session = BigInt(1 + (byte() % 4));
      const principal = byte() % 2 === 0 ? 'alice' : 'bob';
      const choice = byte();
      const bound = choice % 2 === 0 ? {} : { instance: `instance-${choice % 3}` };
      links.push({ link: relay.dialer(session, { principal, attempt: byte() % 4, ...bound }), session });
    } else if (which === undefined || which.link.closeCode !== undefined) {
      continue;
    } else if (op === 2) {
      relay.receive(which.link, body(data, at, byte()));
    } else if (op === 3) {
      const [type, session, length] = [byte() % 40, BigInt(byte() % 5), byte()];
      const message = encodeControl(type, session);
      const payload = data.subarray(at, at + length);
      message[11] = payload.length;
      relay.receive(which.link, Buffer.concat([message, payload]));
      at += payload.length;
    } else if (op === 4) {
      which.link.says(33, BigInt(1 + (byte() % 4)));
    } else if (op === 5) {
      which.link.sends(BigInt(byte() % 5), 'payload');
    } else if (op === 6) {
      which.link.vanishes();
    } else if (op === 7) {
      which.link.queuedBytes = byte() * 1_000_000;
    } else {
      relay.drained(which.link);
    }
    check(links);
  }
  relay.closeAll(1001, 'over');
  promise([...relay.switchboard.links()].length === 0, 'no link is left behind');
}

function body(data: Buffer, at: number, length: number): Buffer {
  return data.subarray(at, at + length);
}

function check(links: readonly { link: FakeLink; session: bigint | undefined }[]): void {
  for (const { link, session } of links) {
    if (session !== undefined)
      for (const message of link.messages) {
        const heard = readSession(message);
        promise(heard === 0n || heard === session, 'a dialer hears of its own session only');
      }
    link.messages.length = 0;
  }
}
