// The dashboard and the alert rules name nothing that broker, agent and gateway do not tell, label values included;
// promtool takes every query; and the alerts fire when they should.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { Authority } from '../rig/certificates.ts';
import { Gateway } from '../rig/gateway.ts';
import { NatsServer } from '../rig/nats.ts';
import { samplesOf, textOf } from '../rig/prometheus.ts';
import { Replica } from '../rig/replica.ts';
import { Network, Rig } from '../rig/rig.ts';

const dashboardFile = 'deploy/grafana/fairlead.json';
const alertsFile = 'deploy/prometheus/alerts.yaml';

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly Target[] }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly annotations: Readonly<Record<string, string>>;
    }[];
  }[];
}

const dashboard = JSON.parse(readFileSync(dashboardFile, 'utf8')) as Dashboard;
const targets = dashboard.panels.flatMap((panel) => panel.targets ?? []);
const alerts = (parse(readFileSync(alertsFile, 'utf8')) as Rules).groups.flatMap(({ rules }) => rules);

const rig = new Rig();
/** Values of each label of each series, over all processes. */
const told = new Map<string, Map<string, Set<string>>>();

beforeAll(async () => {
  const network = await Network.start(rig, '127.0.0.1:*', ['--metrics', '127.0.0.1:0']);
  const gateway = await Gateway.start(
    rig,
    network,
    ...['--http-connect', '127.0.0.1:0', '--metrics', '127.0.0.1:0'],
  );
  const nats = await NatsServer.start(rig);
  const ca = await Authority.create(rig, 'ca');
  const { cert, key } = await ca.issue('broker', { san: 'IP:127.0.0.1' });
  const tls = ['--tls-cert', cert, '--tls-key', key];
  const replica = new Replica(rig, nats.url, [...tls, '--metrics', '127.0.0.1:0']);
  await replica.start();
  const [, replicaPort = 0] = await replica.program.ports();
  const [agentPort = 0] = await network.agent.ports();
  // So that what has no series before its first time has one.
  const through = `http://127.0.0.1:${gateway.port(0)}`;
  await rig.run('curl', ['-s', '--proxytunnel', '--proxy', through, 'http://edge-1:1/']);
  const texts = await Promise.all([network.port, agentPort, gateway.port(1), replicaPort].map(textOf));
  for (const text of texts) {
    for (const name of text.matchAll(/^# TYPE (\S+)/gm)) told.set(name[1] ?? '', new Map());
    for (const series of samplesOf(text).keys()) learn(series);
  }
}, 30_000);

afterAll(() => rig[Symbol.asyncDispose]());

function learn(series: string): void {
  const name = series.replace(/\{.*/, '');
  const labels = told.get(name) ?? new Map<string, Set<string>>();
  told.set(name, labels);
  for (const [, label = '', value = ''] of series.matchAll(/(\w+)="([^"]*)"/g)) {
    const values = labels.get(label) ?? new Set();
    labels.set(label, values.add(value));
  }
}

/** What Prometheus itself adds. */
const ofPrometheus = new Set(['job', 'instance', 'le']);
/** Figures that have no series before what they count has happened, and what their label is. */
const late = new Map([
  ['fairlead_sessions_refused_total', 'code'],
  ['fairlead_sessions_ended_total', 'code'],
  ['fairlead_stream_resets_total', 'code'],
]);

/** What an expression names that nobody tells. */
function unknownIn(expr: string, legend = ''): string[] {
  const unknown: string[] = [];
  const labels = new Set<string>();
  for (const [, name = '', matchers = ''] of expr.matchAll(
    /\b((?:fairlead|process|nodejs)_\w+)(?:\{([^}]*)\})?/g,
  )) {
    const known = told.get(name);
    if (known === undefined) unknown.push(name);
    for (const label of known?.keys() ?? []) labels.add(label);
    const lateLabel = late.get(name);
    if (lateLabel !== undefined) labels.add(lateLabel);
    for (const [, label = '', operator = '', value = ''] of matchers.matchAll(
      /(\w+)(=~|!~|!=|=)"([^"]*)"/g,
    )) {
      if (ofPrometheus.has(label)) continue;
      const values = operator.includes('~') ? value.split('|') : [value];
      for (const one of values) if (!known?.get(label)?.has(one)) unknown.push(`${name}{${label}="${one}"}`);
    }
  }
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/));
  const shown = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
  for (const label of [...grouped, ...shown])
    if (!labels.has(label) && !ofPrometheus.has(label)) unknown.push(`label ${label} in ${expr}`);
  return unknown;
}

test('each figure, label and value that the dashboard names is told by somebody', () => {
  expect(targets.length).toBeGreaterThan(40);
  expect(targets.flatMap(({ expr, legendFormat }) => unknownIn(expr, legendFormat))).toEqual([]);
  for (const { definition } of dashboard.templating.list)
    if (definition !== undefined) expect(unknownIn(definition)).toEqual([]);
});

test('each figure, label and value that an alert names is told by somebody', () => {
  expect(alerts.length).toBeGreaterThan(15);
  expect(alerts.flatMap(({ expr }) => unknownIn(expr))).toEqual([]);
  // And what its words for people name.
  for (const { alert, annotations } of alerts) {
    const text = Object.values(annotations).join(' ');
    for (const [name] of text.matchAll(/\bfairlead_\w+/g))
      expect(told.has(name), `${alert}: ${name}`).toBe(true);
  }
});

test('this check finds what nobody tells', () => {
  expect(unknownIn('sum by (colour) (fairlead_nodes)')).toHaveLength(1);
  expect(unknownIn('fairlead_nods')).toEqual(['fairlead_nods']);
  expect(unknownIn('fairlead_links{kind="dail"}')).toEqual(['fairlead_links{kind="dail"}']);
  expect(unknownIn('fairlead_links', '{{king}}')).toHaveLength(1);
});

test('every alert says how urgent it is and what to do', () => {
  for (const { alert, labels, annotations } of alerts) {
    expect(alert).toMatch(/^Fairlead[A-Z]/);
    expect(['critical', 'warning'], alert).toContain(labels.severity);
    expect(annotations.summary?.length, alert).toBeGreaterThan(20);
    expect(annotations.runbook?.length, alert).toBeGreaterThan(80);
  }
});

test('promtool takes the configuration, the rules and every query of the dashboard', async () => {
  const rules = targets.map(({ expr }, i) => ({
    record: `panel:${i}`,
    expr: expr.replaceAll('$__rate_interval', '5m'),
  }));
  // JSON is YAML.
  const queries = rig.write('queries.yaml', JSON.stringify({ groups: [{ name: 'panels', rules }] }));
  for (const args of [
    ['check', 'config', 'deploy/prometheus/prometheus.yaml'],
    ['check', 'rules', alertsFile],
    ['check', 'rules', queries],
  ]) {
    const { code, stdout, stderr } = await rig.run('promtool', args);
    expect(code, `${stdout}${stderr}`).toBe(0);
  }
});

test('the alerts fire when they should and stay silent otherwise', async () => {
  const { code, stdout, stderr } = await rig.run('promtool', [
    'test',
    'rules',
    'test/rules/alerts.test.yaml',
  ]);
  expect(code, `${stdout}${stderr}`).toBe(0);
});
