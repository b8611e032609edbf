// The JSON Schema of a config file, for editors, made of the flags.

import type { ConfigKey } from './config-keys.ts';

export function configSchema(kind: string, keys: ReadonlyMap<string, ConfigKey>): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `Fairlead: config file of ${kind === 'client' ? 'commands that dial' : `fairlead ${kind}`}`,
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries([...keys.values()].map((key) => [key.name, propertyOf(key)])),
  };
}

function propertyOf({ kind, option }: ConfigKey): object {
  const { description, argChoices, defaultValue } = option;
  const plain = ['string', 'number', 'boolean'].includes(typeof defaultValue)
    ? { default: defaultValue }
    : {};
  const one = argChoices === undefined ? { type: ['string', 'integer', 'number'] } : { enum: argChoices };
  if (kind === 'switch') return { description, type: 'boolean', ...plain };
  if (kind === 'value') return { description, ...one, ...plain };
  const list = { type: 'array', items: one, minItems: 1 };
  const pairs = { type: 'object', additionalProperties: one };
  return { description, anyOf: kind === 'pairs' ? [one, list, pairs] : [one, list] };
}
