// `fairlead nodes`: who is connected, as a table to read or as the broker's own JSON.

import type { Command } from 'commander';
import { connect, type NodeInfo } from '../client/index.ts';
import { formatAge } from './age.ts';
import { addBrokerOptions, type BrokerOptions, brokerAccess } from './credentials.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { print } from './print.ts';
import { formatTable } from './table.ts';

interface NodesOptions extends BrokerOptions, LogOptions {
  readonly json?: boolean;
  readonly wide?: boolean;
}

export function addNodesCommand(program: Command): void {
  const command = program
    .command('nodes')
    .description('Lists the agents that are connected and that the token may dial.')
    .option('--wide', "with each agent's routes and labels, and since when it is connected to the second")
    .option('--json', 'print what the broker answered')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  fairlead nodes --broker wss://broker.example.com --token-file me.token',
        '  fairlead nodes --wide',
        "  fairlead nodes --json | jq -r '.nodes[].node'",
      ].join('\n'),
    );
  addBrokerOptions(command);
  addLogOption(command, 'warn').action(listNodes);
}

async function listNodes(options: NodesOptions): Promise<void> {
  const log = await createLog(options);
  const broker = connect(await brokerAccess(options, log));
  try {
    const nodes = await broker.nodes();
    print(options.json ? `${JSON.stringify({ nodes })}\n` : nodesTable(nodes, options.wide === true));
  } finally {
    await broker.close();
  }
}

function nodesTable(nodes: readonly NodeInfo[], isWide: boolean): string {
  const nowMs = Date.now();
  const header = ['NODE', 'INSTANCE', 'STATE', 'VERSION', 'SESSIONS', 'AGE'];
  const rows = nodes.flatMap(({ node, instances }) =>
    instances.map((agent) => [
      node,
      agent.instance,
      agent.draining ? 'draining' : 'ready',
      agent.version ?? '-',
      String(agent.sessions),
      formatAge(agent.since, nowMs),
      ...(isWide ? [agent.since, agent.routes.join(',') || '-', labelsOf(agent)] : []),
    ]),
  );
  return formatTable(isWide ? [...header, 'SINCE', 'ROUTES', 'LABELS'] : header, rows);
}

function labelsOf({ labels }: NodeInfo['instances'][number]): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.join(',') || '-';
}
