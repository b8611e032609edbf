// docs/kubernetes.md against what it speaks of: the flags that it names are there, those of Konnectivity are all
// translated, and the statuses in it are those that a gateway answers with.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { outcomeOf } from '../../src/gateway/outcome.ts';
import { type ErrorCode, FairleadError } from '../../src/protocol/errors.ts';

const page = readFileSync(fileURLToPath(new URL('../../docs/kubernetes.md', import.meta.url)), 'utf8');
const fairlead = fileURLToPath(new URL('../../bin/fairlead', import.meta.url));

function section(heading: string): string {
  const from = page.indexOf(`\n${heading}\n`);
  expect(from, heading).toBeGreaterThan(0);
  const rest = page.slice(from + heading.length + 2);
  const [level = ''] = /^#+/.exec(heading) ?? [];
  const end = rest.search(new RegExp(`^#{1,${level.length}} `, 'm'));
  return end < 0 ? rest : rest.slice(0, end);
}

/** The cells of a section's table, without its head. */
function rows(heading: string): string[][] {
  const lines = section(heading)
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'));
  return lines.slice(1).map((line) => line.slice(2, -2).split(' | '));
}

const helps = new Map<string, string>();
function helpOf(command: string): string {
  const known = helps.get(command) ?? execFileSync(fairlead, [command, '--help'], { encoding: 'utf8' });
  helps.set(command, known);
  return known;
}

/** Flags in `text` with the command that they are of: the last one that was named before. */
function flagsIn(text: string): (readonly [command: string, flag: string])[] {
  let command = '';
  const found: (readonly [string, string])[] = [];
  for (const [, span = ''] of text.matchAll(/`([^`]+)`/g)) {
    const [, named, ...flags] = /^(broker|agent|gateway|token|keys|nodes|dial)\b/.exec(span) ?? [];
    command = named ?? command;
    expect(flags).toEqual([]);
    if (/^(NODE_OPTIONS|--heapsnapshot)/.test(span)) continue;
    for (const [flag] of span.matchAll(/--[a-z][\w-]*/g)) found.push([command, flag]);
  }
  return found;
}

test.each(['### proxy-server', '### proxy-agent'])('what stands for the flags of %s is there', (heading) => {
  let checked = 0;
  for (const [, ours = ''] of rows(heading)) {
    for (const [command, flag] of flagsIn(ours)) {
      const commands = command === '' ? ['broker', 'agent', 'gateway'] : [command];
      for (const one of commands) expect(helpOf(one), `${one} ${flag}`).toMatch(new RegExp(`${flag}\\b`));
      checked += 1;
    }
  }
  expect(checked).toBeGreaterThan(8);
});

/** All there are, as of 2026; of the log's flags, those that its library adds. */
const konnectivity = {
  '### proxy-server': [
    'server-cert server-key server-ca-cert cluster-cert cluster-key cluster-ca-cert mode uds-name',
    'delete-existing-uds-file server-port server-bind-address agent-port agent-bind-address admin-port',
    'admin-bind-address health-port health-bind-address keepalive-time frontend-keepalive-time enable-profiling',
    'enable-contention-profiling server-id server-count agent-namespace agent-service-account kubeconfig',
    'kubeconfig-qps kubeconfig-burst kube-api-content-type authentication-audience proxy-strategies cipher-suites',
    'tls-min-version xfr-channel-size frontend-write-channel-size enable-lease-controller lease-namespace',
    'lease-label graceful-shutdown-timeout backend-dial-timeout warn-on-channel-limit v vmodule logtostderr',
    'alsologtostderr log-dir log-file log-file-max-size one-output add-dir-header skip-headers skip-log-headers',
    'stderrthreshold log-backtrace-at',
  ],
  '### proxy-agent': [
    'agent-cert agent-key ca-cert proxy-server-host proxy-server-port alpn-proto health-server-host',
    'health-server-port admin-bind-address admin-server-port enable-profiling enable-contention-profiling agent-id',
    'sync-interval probe-interval sync-interval-cap keepalive-time keepalive-timeout service-account-token-path',
    'agent-identifiers warn-on-channel-limit sync-forever xfr-channel-size count-server-leases lease-namespace',
    'lease-label lease-label-selector server-count-source kubeconfig kube-api-content-type apiserver-port-mapping',
    'bind-address feature-gates v',
  ],
};

test.each(Object.entries(konnectivity))('every flag of %s is translated, once', (heading, words) => {
  const theirs = rows(heading).flatMap(([cell = '']) =>
    [...cell.matchAll(/`--([\w-]+)`/g)].map(([, flag]) => flag),
  );
  expect(theirs.sort()).toEqual(words.join(' ').split(' ').sort());
});

test('the statuses by which to look for trouble are those that a gateway answers with', () => {
  const table = rows('## When it does not work');
  expect(table.length).toBeGreaterThan(8);
  for (const [status, code = ''] of table) {
    const name = code.replaceAll('`', '') as ErrorCode;
    expect(outcomeOf(new FairleadError(name, 'something')).status, name).toBe(Number(status));
  }
});

test('the commands of the set-up have the flags that they are given', () => {
  for (const [, command = '', rest = ''] of section('## Setting up').matchAll(
    /^ +fairlead (\w+)((?:.*\\\n)*.*)$/gm,
  ))
    for (const [flag] of rest.matchAll(/--[a-z][\w-]*/g)) expect(helpOf(command)).toContain(flag);
});
