// `fairlead nodes`: who is connected, as a table to read or as the broker's own JSON.

import type { Command } from 'commander';
import { connect, type NodeInfo } from '../client/index.ts';
import { addBrokerOptions, type BrokerOptions, brokerAccess } from './credentials.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { formatTable } from './table.ts';

interface NodesOptions extends BrokerOptions, LogOptions {
  readonly json?: boolean;
}

export function addNodesCommand(program: Command): void {
  const command = program
    .command('nodes')
    .summary('list the agents that are connected')
    .description('Lists the agents that are connected and that the token may dial.')
    .option('--json', 'print what the broker answered')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  fairlead nodes --broker wss://broker.example.com --token-file me.token',
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
    process.stdout.write(options.json ? `${JSON.stringify({ nodes })}\n` : nodesTable(nodes));
  } finally {
    await broker.close();
  }
}

function nodesTable(nodes: readonly NodeInfo[]): string {
  const rows = nodes.flatMap(({ node, instances }) =>
    instances.map((agent) => [
      node,
      agent.instance,
      agent.version ?? '-',
      agent.since,
      String(agent.sessions),
      agent.draining ? 'draining' : 'ready',
    ]),
  );
  return formatTable(['NODE', 'INSTANCE', 'VERSION', 'SINCE', 'SESSIONS', 'STATE'], rows);
}
