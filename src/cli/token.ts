// `fairlead token`: makes a token and prints it, nothing else, on stdout.

import { type Command, Option } from 'commander';
import { mintToken } from '../broker/index.ts';
import { parseNode } from './address.ts';
import { readSecret } from './credentials.ts';
import { parseDuration } from './duration.ts';
import { UsageError } from './failure.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';

interface TokenOptions extends LogOptions {
  readonly secretFile: string;
  readonly agent?: string;
  readonly dial?: string[];
  readonly target?: string[];
  readonly ttl: number;
  readonly subject?: string;
}

export function addTokenCommand(program: Command): void {
  const command = program
    .command('token')
    .summary('make a token for an agent or for a dialer')
    .description('Makes a token for an agent, or for a dialer, and prints it.')
    .requiredOption('--secret-file <file>', "the broker's --auth-secret-file")
    .option('--agent <node>', 'a token for the agent of this node', parseNode)
    .option('--dial <patterns...>', 'a token to dial these nodes: names, "*" for any part, such as "edge-*"')
    .option('--target <patterns...>', 'with --dial: only these HOST:PORT; without, whatever the agent allows')
    .option('--subject <name>', 'whom it is for, as logs and agents see it')
    .addOption(
      new Option('--ttl <duration>', 'how long it is good').argParser(parseDuration).default(86_400, '24h'),
    )
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  (umask 077; head -c 32 /dev/urandom | base64 > secret)',
        '  fairlead token --secret-file secret --agent edge-1 > edge-1.token',
        '  fairlead token --secret-file secret --dial "edge-*" --target "127.0.0.1:22" --ttl 8h > me.token',
      ].join('\n'),
    );
  addLogOption(command, 'warn').action(printToken);
}

async function printToken(options: TokenOptions): Promise<void> {
  const log = await createLog(options);
  if ((options.agent === undefined) === (options.dial === undefined))
    throw new UsageError('a token is for one or the other: add --agent NODE or --dial PATTERN');
  if (options.agent !== undefined && options.target !== undefined)
    throw new UsageError('--target limits a dial token: an agent is limited by its own --allow');
  const secret = await readSecret(options.secretFile, log);
  const common = { secret, ttlSeconds: options.ttl, subject: options.subject };
  const token = await mintToken(
    options.agent !== undefined
      ? { ...common, agent: options.agent }
      : { ...common, dial: options.dial ?? [], targets: options.target },
  );
  process.stdout.write(`${token}\n`);
}
