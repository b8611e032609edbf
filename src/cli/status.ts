// `fairlead status`: the broker and who is connected to it, at one glance.

import type { Command } from 'commander';
import { connect, type InstanceStatus, type Status } from '../client/index.ts';
import { printable } from '../files/printable.ts';
import { formatAge } from './age.ts';
import { formatBytes } from './bytes.ts';
import { addBrokerOptions, type BrokerOptions, brokerAccess } from './credentials.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { print } from './print.ts';
import { formatTable } from './table.ts';

interface StatusOptions extends BrokerOptions, LogOptions {
  readonly json?: boolean;
}

export function addStatusCommand(program: Command): void {
  const command = program
    .command('status')
    .description('Shows the broker, and of the agents that are connected those that the token may dial.')
    .option('--json', 'print what the broker answered')
    .addHelpText(
      'after',
      [
        '',
        'RTT is between the broker and the agent; RECEIVED and SENT are of the agent’s present link, as the broker has it.',
        '"fairlead top" shows the same live, with rates.',
        '',
        'Examples:',
        '  fairlead status --broker wss://broker.example.com --token-file me.token',
        "  fairlead status --json | jq '.broker.links'",
      ].join('\n'),
    );
  addBrokerOptions(command);
  addLogOption(command, 'warn').action(showStatus);
}

async function showStatus(options: StatusOptions): Promise<void> {
  const log = await createLog(options);
  const broker = connect(await brokerAccess(options, log));
  try {
    const status = await broker.status();
    print(options.json === true ? `${JSON.stringify(status)}\n` : formatStatus(status, Date.now()));
  } finally {
    await broker.close();
  }
}

function formatStatus(status: Status, nowMs: number): string {
  const facts = brokerFacts(status, nowMs).map(([name, fact]) => `${name.padEnd(10)} ${fact}\n`);
  if (status.nodes.length === 0) return `${facts.join('')}\nno agent is connected that may be dialled\n`;
  const table = formatTable(
    ['NODE', 'INSTANCE', 'STATE', 'AGE', 'RTT', 'SESSIONS', 'STREAMS', 'RECEIVED', 'SENT', 'LAST ERROR'],
    status.nodes.flatMap(({ node, instances }) =>
      instances.map((agent) => [
        node,
        agent.instance,
        agent.state,
        formatAge(agent.since, nowMs),
        agent.rttMs === undefined ? '-' : formatRtt(agent.rttMs),
        String(agent.sessions),
        agent.streams === undefined ? '-' : String(agent.streams),
        agent.receivedBytes === undefined ? '-' : formatBytes(agent.receivedBytes),
        agent.sentBytes === undefined ? '-' : formatBytes(agent.sentBytes),
        formatLastError(agent.lastError, nowMs),
      ]),
    ),
  );
  return `${facts.join('')}\n${table}`;
}

/** What is known of the broker, a line each. */
function brokerFacts({ broker, partial }: Status, nowMs: number): [string, string][] {
  const { version, engine, startedAt, draining, links, sessions, received } = broker;
  const { bufferedBytes, eventLoopP99Ms } = broker;
  const up = startedAt === undefined ? '' : `, up ${formatAge(startedAt, nowMs)}`;
  const facts: [string, string][] = [
    ['broker', `${printable(version, 64)} (${engine})${up}, ${draining ? 'draining' : 'ready'}`],
    [
      'links',
      `${count(links.agent, 'agent')}, ${count(links.dial, 'dialer')}; ${count(sessions, 'session')}`,
    ],
  ];
  if (received !== undefined)
    facts.push([
      'received',
      `${formatBytes(received.agentBytes)} from agents, ${formatBytes(received.dialBytes)} from dialers`,
    ]);
  if (bufferedBytes !== undefined) facts.push(['waiting', `${formatBytes(bufferedBytes)} for peers to read`]);
  if (eventLoopP99Ms !== undefined)
    facts.push(['delay', `${eventLoopP99Ms.toFixed(1)} ms in the event loop (p99)`]);
  if (partial === true) facts.push(['partial', 'a replica did not answer: there may be more nodes']);
  return facts;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

export function formatRtt(ms: number): string {
  return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
}

export function formatLastError(error: InstanceStatus['lastError'], nowMs: number): string {
  if (error === undefined) return '-';
  const { code, at, reason } = error;
  return `${code} ${formatAge(at, nowMs)} ago${reason === '' ? '' : `: ${reason}`}`;
}
