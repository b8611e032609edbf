// Config files: every flag may stand in one, the schemas say the same, and what is wrong is said with its place.

import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import type { Command, Option } from 'commander';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { commands } from '../../src/cli/commands.ts';
import { configKeys } from '../../src/cli/config/config-keys.ts';
import { clientConfigPath } from '../../src/cli/config/config-path.ts';
import { clientFlags } from '../../src/cli/config/configure.ts';
import { readConfig } from '../../src/cli/config/read-config.ts';
import { configSchema } from '../../src/cli/config/schema.ts';
import { newProgram } from '../../src/cli/run.ts';

const kinds = ['broker', 'agent', 'gateway', 'client'] as const;

async function commandOf(kind: string): Promise<Command> {
  if (kind === 'client') return clientFlags();
  const program = newProgram('fairlead');
  (await commands[kind]?.load())?.(program);
  return program.commands[0] as Command;
}

const agentKeys = configKeys(await commandOf('agent'));

function problemsOf(text: string): readonly string[] {
  return readConfig(text, '/etc/agent.yaml', agentKeys).problems;
}

test.each(kinds)('every flag of %s is a key, and takes what the flag takes', async (kind) => {
  const command = await commandOf(kind);
  const keys = configKeys(command);
  for (const option of command.options) {
    if (option.name() === 'config') continue;
    const key = keys.get(option.name());
    expect(key?.option.attributeName(), option.flags).toBe(option.attributeName());
  }
  const validate = new Ajv({ allowUnionTypes: true }).compile(configSchema(kind, keys));
  for (const [name, key] of keys) {
    const text = `${name}: ${key.kind === 'switch' ? 'true' : exampleOf(kind, name, key.option)}\n`;
    const { values, problems } = readConfig(text, '/etc/x.yaml', keys);
    expect(problems, text).toEqual([]);
    expect(values.get(name)?.value, text).toBeDefined();
    expect(validate(parse(text)), text).toBe(true);
  }
  expect(validate({ nothing: 1 })).toBe(false);
});

/** Something that the flag's own parser takes. */
function exampleOf(kind: string, name: string, { argChoices, description }: Option): string {
  if (argChoices !== undefined) return argChoices[0] ?? '';
  if (name === 'listen' && kind === 'agent') return '["6443=cp:127.0.0.1:6443", "6444=cp:127.0.0.1:6444"]';
  const examples: Record<string, string> = {
    'allow-origin': 'https://dashboard.example.com',
    node: 'edge-1',
    metrics: '127.0.0.1:9090',
    drain: '10',
    'max-connections': '100',
    'max-memory-bytes': '1GiB',
    'dial-timeout': '5',
    'handshake-timeout': '5',
    'trusted-proxy': '[10.0.0.0/8, 192.168.0.1]',
    label: '{ site: berlin, rack: 7 }',
    nats: 'nats://a:4222,nats://b:4222',
    broker: 'wss://b.example',
  };
  const [, standard] = /^most .*\(default: (\w+)\)$/.exec(description) ?? [];
  return examples[name] ?? standard ?? '127.0.0.1:1';
}

test.each(kinds)('the schema of %s that is published is the one that the flags make', async (kind) => {
  const made = configSchema(kind, configKeys(await commandOf(kind)));
  const published = JSON.parse(readFileSync(`docs/schema/${kind}.schema.json`, 'utf8'));
  expect(published, `run: fairlead config schema ${kind} > docs/schema/${kind}.schema.json`).toEqual(made);
});

test.each<[string, string, RegExp]>([
  [
    'a key that is mistyped',
    'node: a\nalow: x:1\n',
    /^\/etc\/agent.yaml:2:1: .*"alow": did you mean "allow"\?$/,
  ],
  ['one in camel case', 'tokenFile: x', /:1:1: .*did you mean "token-file"/],
  ['one that is like none', 'zzzzzzzzzz: x', /:1:1: .*; there are .*allow/],
  ['a value that the flag refuses', 'node: Edge_1', /:1:7: "node" is "Edge_1": .*lower-case/],
  ['one of a list', 'label:\n  - a=b\n  - "=x"\n', /:3:5: "label"/],
  ['no value', 'node:\nallow: x:1', /:1:.*"node" has no value/],
  ['a list where one is wanted', 'node: [a, b]', /:1:7: "node" is a list: write one NAME/],
  ['a mapping', 'allow:\n  host: x', /:2:3: "allow" is a mapping/],
  ['a switch that is neither', 'insecure: maybe', /:1:11: .*true or false/],
  ['a key twice', 'node: a\nnode: b', /:2:1: .*unique/],
  ['no YAML', 'node: [a', /:\d+:\d+: /],
  ['a tab', 'allow:\n\t- x:1', /:2:1: .*[Tt]ab/],
  ['another kind of document', '- node: a', /:1:1: this is not a list of "KEY: VALUE"/],
  ['two documents', 'node: a\n---\nnode: b', /:\d+:\d+: .*document/],
  ['an alias', 'node: &a x\ninstance: *a', /:2:11: .*an alias/],
  ['a choice that is none', 'log-level: loud', /:1:12: "log-level" is "loud": .*trace, debug/],
])('%s is said with line and column', (_, text, pattern) => {
  const [problem, ...more] = problemsOf(text);
  expect(problem).toMatch(pattern);
  expect(more).toEqual([]);
});

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl';

test.each([
  ['a token as a key of its own', `token: ${jwt}`],
  ['a token where a file is wanted', `token-file: ${jwt}`],
  ['a password in a URL', 'proxy: http://anna:geheim@proxy:3128'],
  ['a private key', 'cert: "-----BEGIN PRIVATE KEY-----\\ngeheim"'],
])('%s is refused, and not shown', (_, text) => {
  const [problem] = problemsOf(text);
  expect(problem).toMatch(/does not belong here|name the file/);
  expect(problem).not.toMatch(/geheim|eyJ/);
});

test('names of files are seen from where the config file is', () => {
  const { values } = readConfig('token-file: edge.token\nca: /abs/ca.pem', '/etc/fairlead/a.yaml', agentKeys);
  expect(values.get('token-file')?.value).toBe('/etc/fairlead/edge.token');
  expect(values.get('ca')?.value).toBe('/abs/ca.pem');
});

test.each<[NodeJS.Platform, Record<string, string>, string]>([
  ['linux', {}, '/home/anna/.config/fairlead/config.yaml'],
  ['linux', { XDG_CONFIG_HOME: '/cfg' }, '/cfg/fairlead/config.yaml'],
  ['linux', { XDG_CONFIG_HOME: 'relative' }, '/home/anna/.config/fairlead/config.yaml'],
  ['darwin', {}, '/home/anna/Library/Application Support/fairlead/config.yaml'],
  [
    'win32',
    { APPDATA: 'C:\\Users\\anna\\AppData\\Roaming' },
    'C:\\Users\\anna\\AppData\\Roaming\\fairlead\\config.yaml',
  ],
  ['linux', { FAIRLEAD_CONFIG: '/mine.yaml' }, '/mine.yaml'],
])('on %s with %o a dialer’s file is at %s', (platform, env, path) => {
  expect(clientConfigPath(env, platform, '/home/anna').path).toBe(path);
});
