// `fairlead up`: the two-minute tour. Broker, agent, a demo web server, a forward and a gateway in one process,
// on loopback only, with a secret that lives in memory. Must leave nothing behind.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { startAgent } from '../agent/index.ts';
import { mintToken, startBroker } from '../broker/index.ts';
import { connect } from '../client/index.ts';
import { startGateway } from '../gateway/index.ts';
import { formatAddress } from './address.ts';
import { listenLocally } from './local-listener.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { firstSignal } from './signals.ts';
import { version } from './version.ts';

const node = 'local';
const loopback = '127.0.0.1';

export function addUpCommand(program: Command): void {
  const command = program
    .command('up')
    .description(
      'Runs a broker, an agent, a forward and a gateway in one process on loopback, and prints what to paste.',
    )
    .addHelpText(
      'after',
      ['', 'Ctrl-C ends it and leaves nothing behind.', '', 'Example:', '  fairlead up'].join('\n'),
    );
  addLogOption(command).action(tour);
}

/** What was started, last first: whatever goes wrong on the way, all of it is undone. */
type Undo = () => unknown;

async function tour(options: LogOptions): Promise<void> {
  const log = await createLog(options);
  const undo: Undo[] = [];
  const ended = firstSignal();
  try {
    const demo = createServer((_request, response) => {
      response.end('Hello from behind the agent: this came through a Fairlead broker.\n');
    });
    const demoPort = await listenOnLoopback(demo);
    undo.push(() => demo.close());

    const secret = randomBytes(32).toString('base64');
    const broker = await startBroker({ host: loopback, port: 0, secret, version, log });
    undo.push(() => broker.close());
    const { url } = broker;

    const agent = await startAgent({
      url,
      token: await mintToken({ secret, agent: node }),
      version,
      node,
      allow: [`${loopback}:*`],
      log,
    });
    undo.push(() => agent.close());

    // In a file, because a token on a command line is there for every user of the machine to see.
    const directory = mkdtempSync(join(tmpdir(), 'fairlead-up-'));
    // However the process ends, short of SIGKILL.
    process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
    const tokenFile = join(directory, 'token');
    const token = await mintToken({ secret, dial: [node], subject: `${userInfo().username}@tour` });
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });

    const client = connect({ url, token });
    undo.push(() => client.close());
    const forward = await listenLocally(
      client,
      { bind: { host: loopback, port: 0 }, node, target: { host: loopback, port: demoPort } },
      log,
    );
    undo.push(() => forward.close());
    const gateway = await startGateway({
      broker: client,
      httpConnect: [{ kind: 'tcp', host: loopback, port: 0 }],
      log,
    });
    undo.push(() => gateway.close());
    const [gatewayAddress = ''] = gateway.addresses;

    log.info(
      {
        event: 'ready',
        listen: [formatAddress(broker.address.address, broker.address.port), forward.address, gatewayAddress],
        node,
        tokenFile,
      },
      'ready',
    );
    process.stdout.write(await whatToPaste(url, tokenFile, forward.address, gatewayAddress, demoPort));
    await ended;
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

async function whatToPaste(
  url: string,
  tokenFile: string,
  forwardAddress: string,
  gatewayAddress: string,
  demoPort: number,
): Promise<string> {
  const fairlead = quote(process.argv[1] ?? 'fairlead');
  const dial = `${fairlead} dial --broker ${url} --token-file ${quote(tokenFile)} ${node} %h:%p`;
  const sshd = (await isListening(22)) ? '' : '   # once an sshd listens on port 22: none does now';
  return [
    '',
    'A web page, through forward, broker and agent:',
    `  curl http://${forwardAddress}/`,
    '',
    'The same page by the name of its node, through the gateway:',
    `  curl --proxy http://${gatewayAddress} --proxytunnel http://${node}:${demoPort}/`,
    '',
    'This machine by ssh, through dial, broker and agent:',
    `  ssh -o ProxyCommand=${quote(dial)} ${userInfo().username}@${loopback}${sshd}`,
    '',
    'Who is connected, in a browser:',
    `  ${url.replace(/^ws/, 'http')}/`,
    '',
    'And in a terminal:',
    `  ${fairlead} nodes --broker ${url} --token-file ${quote(tokenFile)}`,
    '',
    'Ctrl-C ends it all.',
    '',
    '',
  ].join('\n');
}

/** As one word for a POSIX shell. */
function quote(text: string): string {
  return /^[\w./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function listenOnLoopback(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, loopback, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connectTcp({ host: loopback, port });
    probe.once('connect', () => resolve(true));
    probe.once('error', () => resolve(false));
    probe.once('close', () => resolve(false));
    probe.once('connect', () => probe.destroy());
  });
}
