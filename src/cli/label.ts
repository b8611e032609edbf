// `--label KEY=VALUE`, as often as there are labels.

import { InvalidArgumentError } from 'commander';
import { labelsSchema } from '../protocol/labels.ts';

export type Labels = Readonly<Record<string, string>>;

export function parseLabel(text: string, before: Labels = {}): Labels {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write KEY=VALUE, such as "site=berlin".');
  const [key, value] = [text.slice(0, at), text.slice(at + 1)];
  if (Object.hasOwn(before, key)) throw new InvalidArgumentError(`The label "${key}" is given twice.`);
  const parsed = labelsSchema.safeParse({ ...before, [key]: value });
  if (!parsed.success || !Object.hasOwn(parsed.data, key))
    throw new InvalidArgumentError(
      'At most 16 labels; keys of letters, digits, ".", "_", "-" and "/", values of one line, at most 63 characters.',
    );
  return parsed.data;
}
