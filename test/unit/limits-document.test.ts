// docs/security.md and docs/metrics.md say what the code does: every limit with its flag and default, every figure.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { AgentMetrics, agentLimits } from '../../src/agent/index.ts';
import { brokerLimits, startBroker } from '../../src/broker/index.ts';

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

const namesIn = (text: string) =>
  [...text.matchAll(/^# TYPE (fairlead_\w+)/gm)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'fairlead_build_info')
    .sort();
const namesOf = (section: string) =>
  [...section.matchAll(/^\| `(fairlead_\w+)`/gm)].map(([, name = '']) => name).sort();
const [, brokerFigures = '', agentFigures = ''] = document('metrics.md').split(/^## /m);

test('every figure of a broker is documented, and no other', async () => {
  const secret = 'a secret for tests, long enough to sign with';
  const broker = await startBroker({ secret, port: 0 });
  const { address, port } = broker.address;
  const text = await (await fetch(`http://${address}:${port}/metrics`)).text();
  await broker.close();
  expect(namesOf(brokerFigures)).toEqual(namesIn(text));
});

test('every figure of an agent is documented, and no other', async () => {
  expect(namesOf(agentFigures)).toEqual(namesIn(await new AgentMetrics('1').metrics.render()));
});
