// Two session cores with a relay between them that the input commands (test/simulation/hostile-relay.ts). The first
// byte says whether it may make messages up, too.

import { HostileRelay } from '../../simulation/hostile-relay.ts';

export function fuzz(data: Buffer): void {
  new HostileRelay(((data[0] ?? 0) & 1) === 1 ? 'forging' : 'rough').run(data.subarray(1));
}
