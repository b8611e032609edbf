// How many bad inputs there are in all: docs/security.md promises at least 900, each with a name of its own.

import { expect, test } from 'vitest';
import { brokerRows } from './broker-rows.ts';
import { cliRows } from './cli-rows.ts';
import { configRows } from './config-rows.ts';
import { controlRows } from './control-rows.ts';
import { connectRows, socksRows } from './gateway-rows.ts';
import { requestRows } from './request-rows.ts';
import { toAgentRows, toDialerRows } from './session-rows.ts';
import { tokenRows } from './token-rows.ts';
import { upgradeRows } from './upgrade-rows.ts';
import { webSocketRows } from './websocket-rows.ts';

const tables: Readonly<Record<string, readonly { readonly name: string }[]>> = {
  upgrade: upgradeRows,
  request: requestRows,
  connect: connectRows,
  socks: socksRows,
  cli: cliRows,
  broker: brokerRows,
  token: tokenRows,
  config: configRows.map(({ name, kind }) => ({ name: `${kind}: ${name}` })),
  webSocket: webSocketRows,
  control: controlRows.map(({ name, from }) => ({ name: `${name}, from ${from}` })),
  toAgent: toAgentRows,
  toDialer: toDialerRows,
};

test('there are at least 900 refusals, and no two of one table have one name', () => {
  const rows = Object.values(tables).flat();
  expect(rows.length).toBeGreaterThanOrEqual(900);
  for (const table of Object.values(tables))
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
});
