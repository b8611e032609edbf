// docs/security.md says what the code does: every limit with its flag and default.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { agentLimits } from '../../src/agent/index.ts';
import { brokerLimits } from '../../src/broker/index.ts';

const document = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const security = document('security.md');
const [brokerTable = '', agentTable = ''] = security.split('At the agent, with flags of');

/** As the tables write them. */
function written(name: string, standard: number): string {
  if (!name.endsWith('Bytes')) return standard.toLocaleString('en-US');
  return standard % 2 ** 20 === 0 ? `${standard / 2 ** 20} MiB` : `${standard / 2 ** 10} KiB`;
}

function rowOf(table: string, name: string): string {
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return table.split('\n').find((line) => line.startsWith('|') && line.includes(`\`${flag}\``)) ?? '';
}

test.each(Object.entries(brokerLimits))(
  "the broker's %s is in the table, with its flag and default",
  (name, { standard }) => {
    // Its default depends on the machine.
    const said = name === 'maxMemoryBytes' ? "80 % of the machine's" : `| ${written(name, standard)} |`;
    expect(rowOf(brokerTable, name)).toContain(said);
  },
);

test.each(Object.entries(agentLimits))(
  "the agent's %s is in the table, with its flag and default",
  (name, { standard }) => {
    expect(rowOf(agentTable, name)).toContain(`| ${written(name, standard)} |`);
  },
);
